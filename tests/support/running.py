"""A Parlour that runs, started as a user starts it: `parlour dev FILE` in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


class RunningParlour:
    """`parlour dev` as a subprocess; `start` returns when it says that it is ready."""

    def __init__(self, file: Path, data_folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self.output: list[str] = []
        self.data_folder = data_folder
        self._command = [sys.executable, "-m", "parlour", "dev", str(file)]
        self._command += ["--port", str(self.port), "--data", str(data_folder), *options]
        self._process: subprocess.Popen[str] | None = None
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start, and wait until it is ready."""
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for_line("Ready on ", START_TIMEOUT_S)

    def stop(self) -> int:
        """What Ctrl-C does; returns the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError("it did not stop:\n" + "".join(self.output)) from None

    def wait_for_end(self, timeout_s: float = 60.0) -> int:
        """Wait until it ends by itself; returns the exit status."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def wait_for_line(self, part: str, timeout_s: float = 30.0) -> str:
        """Wait until a line of the output contains `part`; returns the line."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._line(part) or self._ended(), timeout_s)
            line = self._line(part)
        assert line, f"no line with {part!r}{'' if found else ' in time'}:\n" + "".join(self.output)
        return line

    def _line(self, part: str) -> str:
        return next((line for line in self.output if part in line), "")

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._changed:
                    self.output.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def ray_address(self) -> str:
        """Of the Ray that it has started, for commands that would find any on this machine."""
        lines = processes_of_session(self.session)
        found = {
            match.group(1)
            for line in lines
            if "raylet" in line and (match := re.search(r"--gcs-address=(\S+)", line))
        }
        assert len(found) == 1, found
        return found.pop()

    @property
    def ray_environment(self) -> dict[str, str]:
        """For a command that is given that address: a Ray started locally wants its token."""
        return {**os.environ, "RAY_AUTH_MODE": "token"}

    @property
    def session(self) -> int:
        """The session of its processes."""
        assert self._process is not None
        return self._process.pid


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def processes_of_session(session: int) -> list[str]:
    """The command lines of what runs in a session (as `start_new_session` made it).

    A process that has ended and whose parent has not asked for its status yet has none.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command_line = (entry / "cmdline").read_text().replace("\0", " ")
                if command_line and os.getsid(int(entry.name)) == session:
                    found.append(command_line)
            except (OSError, ProcessLookupError):
                continue
    return found
