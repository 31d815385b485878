"""A host: processes, network, file system and name of its own, as namespaces of this kernel.

A process on a host sees no process of another or of the test (`ray stop` ends what it sees), and
shares no file with one but what is installed. Promises: ending the host ends all its processes;
the end of the test's process, by `kill -9` too, ends the host. Needs root and util-linux.
Not here: what joins hosts (network.py), what runs on them (ray_nodes.py, valkey_host.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .host_init import HOME

ROOT = Path(__file__).parents[2]
INIT = Path(__file__).with_name("host_init.py")
START_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 60.0
END_TIMEOUT_S = 10.0
USER = "parlour"  # whom commands run as, and whom sshd lets in
LOG_LINES_SHOWN = 40
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")


class Host:
    """One host, off until `start`; `folder` is what is its own on the disk."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name = name
        self.address = address
        self.folder = folder
        self._starter: subprocess.Popen[str] | None = None
        self._spawned: list[subprocess.Popen[bytes]] = []
        self._pid = 0

    @property
    def pid(self) -> int:
        """Of its first process, which holds its namespaces."""
        assert self.is_on, f"host {self.name} is off"
        return self._pid

    @property
    def is_on(self) -> bool:
        """Whether it was started and not ended."""
        return self._starter is not None and self._starter.poll() is None

    @property
    def environment(self) -> dict[str, str]:
        """Of every command on it: that of the test, less what configures its Ray and Parlour."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAY_", "PARLOUR_", "PIP_", "TMPDIR", "XDG_"))
        }
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return kept | {"PATH": path, "HOME": str(HOME), "LANG": "C.UTF-8"}

    def start(self) -> None:
        """Start its first process; it has no network yet but a loopback of its own."""
        assert not self.is_on, f"host {self.name} is on already"
        self._lay_out()
        kept = sorted({str(ROOT), sys.prefix, sys.base_prefix})
        settings = {"name": self.name, "folder": str(self.folder), "kept": kept}
        command = ["unshare", *NAMESPACES, "--fork", sys.executable, "-I", "-S", str(INIT)]
        self._starter = subprocess.Popen(
            [*command, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the test, which then ends its hosts in order
        )
        assert self._starter.stdout is not None
        select.select([self._starter.stdout], [], [], START_TIMEOUT_S)
        line = self._starter.stdout.readline() if self.is_on else ""
        assert line, f"host {self.name} did not start; see the output above"
        self._pid = int(line)

    def end(self) -> None:
        """Switch it off, as a power cut does: every process gone at once, no connection closed.

        Does nothing where it is off. Its folder stays, and it can be started again.
        """
        if self._starter is None:
            return
        assert self._starter.stdin is not None
        assert self._starter.stdout is not None
        self._starter.stdin.close()
        self._starter.wait(END_TIMEOUT_S)
        self._starter.stdout.close()
        self._starter = None
        while self._spawned:
            self._spawned.pop().wait(END_TIMEOUT_S)

    def run(
        self,
        *command: str | Path,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = COMMAND_TIMEOUT_S,
        status: int | None = 0,
    ) -> str:
        """Run a command to its end on this host and return all that it printed.

        Raises:
            AssertionError: If it ended with another status than `status` (None: any is fine), or
                not in time; it is ended then.
        """
        # A file, not a pipe: a server that the command leaves behind would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            process = self._spawn(command, output.fileno(), environment)
            try:
                ended = process.wait(timeout_s)
            except BaseException as error:
                _end_group(process)
                output.seek(0)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                late = f"{' '.join(map(str, command))} took over {timeout_s:g} s on {self.name}"
                raise AssertionError(f"{late}:\n{output.read()}") from None
            output.seek(0)
            printed = output.read()
        told = f"{' '.join(map(str, command))} ended with {ended} on {self.name}:\n{printed}"
        assert status is None or ended == status, told
        return printed

    def spawn(
        self, *command: str | Path, log: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command that goes on; its output goes to `log` (see `log_tail`)."""
        with self.log_file(log).open("ab") as output:
            self._spawned.append(self._spawn(command, output.fileno(), environment))
        return self._spawned[-1]

    def path(self, inside: str | Path) -> Path:
        """Where the test finds a file that the host has in its home folder or in /tmp."""
        inside = HOME / inside
        if inside.is_relative_to(HOME):
            return self.folder / "home" / inside.relative_to(HOME)
        return self.folder / "tmp" / inside.relative_to("/tmp")

    def log_file(self, name: str) -> Path:
        """Where `spawn` writes the log of that name."""
        return self.folder / f"{name}.log"

    def log_tail(self) -> str:
        """The last lines of its logs, those of Ray's own processes too."""
        logs = [*self.folder.glob("*.log"), *self.path("/tmp/ray").glob("session_2*/logs/*.err")]
        logs += self.path("/tmp/ray").glob("session_2*/logs/raylet.out")
        tails = []
        for log in sorted(logs):
            lines = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            tails += [f"--- {self.name}: {log.name}", *lines] if lines else []
        return "\n".join(tails)

    def processes(self) -> dict[int, str]:
        """Command lines by process id as the test sees it, without the host's first process."""
        namespace = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != self.pid:
                try:
                    if os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                        line = Path(f"/proc/{entry}/cmdline").read_bytes()
                        found[int(entry)] = line.replace(b"\0", b" ").decode(errors="replace")
                except OSError:  # it ended while we looked
                    continue
        return found

    def kill_processes(self) -> None:
        """SIGKILL to every process at once; the host stays, so its kernel closes connections."""
        while found := self.processes():
            handles = _handles(found)
            self.run("kill", "-9", "-1", status=None)
            for handle in handles:
                ended, _, _ = select.select([handle], [], [], END_TIMEOUT_S)
                os.close(handle)
                assert ended, f"a process on {self.name} outlives SIGKILL: {found}"

    def _lay_out(self) -> None:
        for part in ("home", "tmp"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.folder.joinpath("tmp").chmod(0o1777)
        # Root by another name, and first, so that every program takes the host's home for its own.
        user = f"{USER}:x:0:0::{HOME}:/bin/bash\n"
        (self.folder / "passwd").write_text(user + Path("/etc/passwd").read_text())
        names = f"127.0.0.1\tlocalhost\n{self.address}\t{self.name}\n"
        (self.folder / "hosts").write_text(names)

    def _spawn(
        self, command: tuple[str | Path, ...], output: int, environment: Mapping[str, str] | None
    ) -> subprocess.Popen[bytes]:
        entry = ["nsenter", f"--target={self.pid}", *NAMESPACES, f"--wdns={HOME}", "--"]
        return subprocess.Popen(
            [*entry, *map(str, command)],
            env=self.environment | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _handles(pids: Mapping[int, str]) -> list[int]:
    handles = []
    for pid in pids:
        try:
            handles.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    return handles
