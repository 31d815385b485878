"""A peer's processes: started in a group of their own, and surely gone afterwards.

Three nets, each for what the one before lets through: the peer is asked to stop; its process group
is killed; whatever it left outside of its group (Ray's workers, daemons) falls to this process as
its subreaper and is killed by its id. Should this process be killed itself, the kernel tells the
peer (PR_SET_PDEATHSIG).
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

START_TIMEOUT_S = 120.0  # Ray on a busy machine takes its time
STOP_TIMEOUT_S = 20.0  # from the request to stop until the process group is killed
POLL_S = 0.05
LOG_TAIL_LINES = 15
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

_libc = ctypes.CDLL(None, use_errno=True)


class PeerFailed(Exception):
    """A peer did not start, or ended while it was measured."""


class ServerProcess:
    """One server: its process, its log, its folder for data."""

    def __init__(self, name: str, folder: Path, *, stop_signal: int = signal.SIGTERM) -> None:
        self.name = name
        self.stop_signal = stop_signal
        self.log = folder / f"{name}.log"
        self.data = folder / f"{name}-data"
        self._process: subprocess.Popen[bytes] | None = None
        self._children_before: set[int] = set()

    def start(
        self,
        command: list[str],
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Run the command with an empty data folder and an empty log."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True)
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._children_before = _children()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
                cwd=cwd,
                preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0),
            )

    def wait_for_port(self, port: int) -> None:
        """Return once the port accepts connections."""
        self._wait(lambda: _accepts(port), f"port {port} accepted no connection")

    def wait_for_line(self, start: str) -> None:
        """Return once the log has a line that starts so."""
        marker = start.encode()
        self._wait(
            lambda: any(line.startswith(marker) for line in self.log.read_bytes().splitlines()),
            f"no line that starts with {start!r} was printed",
        )

    def words_after(self, start: str) -> list[str]:
        """What follows on the log's first line that starts so."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next(line.removeprefix(start).split() for line in lines if line.startswith(start))

    @property
    def pid(self) -> int:
        """The id of the process that was started."""
        assert self._process is not None, "start() comes first"
        return self._process.pid

    def stop(self) -> int:
        """Ask, wait, kill, remove the data; how many processes the peer had left behind."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(self.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        leftovers = _kill_orphans(spare=self._children_before)
        shutil.rmtree(self.data, ignore_errors=True)
        return leftovers

    def _wait(self, ready: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while not ready():
            assert self._process is not None, "start() comes first"
            if self._process.poll() is not None:
                raise PeerFailed(f"{self.name} ended with {self._process.returncode}{self._tail()}")
            if time.monotonic() > end:
                raise PeerFailed(
                    f"{self.name}: {otherwise} within {START_TIMEOUT_S:.0f} s{self._tail()}"
                )
            time.sleep(POLL_S)

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return f"; its log ({self.log}) ends:\n    " + "\n    ".join(lines)


def free_port() -> int:
    """A port on the loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _children() -> set[int]:
    """Ids of this process's children, those that became so as orphans included."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def descendants(pid: int) -> set[int]:
    """Ids of all processes below one."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            head, _, tail = path.read_text().rpartition(")")  # a name may hold anything
            below.setdefault(int(tail.split()[1]), []).append(int(head.split(" ", 1)[0]))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        children = below.get(waiting.pop(), [])
        found.update(children)
        waiting += children
    return found


def _kill_orphans(*, spare: set[int]) -> int:
    """Kill what the peer left behind, until no process is left; how many were still running."""
    killed = 0
    while orphans := _children() - spare:
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == pid:
                    continue  # had ended, and only its parent had not asked how
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)  # its own children are ours next
            killed += 1
    return killed
