"""A server process that a test configures itself: Debian's Redis, a cluster's node."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Self

from parlour.storage.embedded_process import end, spawn, wait_until_ready


class RedisProcess:
    """`program` with its data, log and socket in `folder`; ends with the test run at the latest."""

    def __init__(
        self, program: Path, folder: Path, *arguments: str, config: Path | None = None
    ) -> None:
        """`config` makes it a Sentinel, which writes what it learns into that file."""
        self.folder = folder
        self._program = program
        self._arguments = arguments
        self._config = config
        self._socket = folder / "s"
        self._let_go = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._let_go = threading.Event()
        arguments = ["--dir", str(self.folder), "--unixsocket", str(self._socket)]
        if self._config is not None:
            arguments = [str(self._config), "--sentinel", *arguments, *self._arguments]
        else:
            arguments += ["--port", "0", "--save", "", *self._arguments]
        log = self.folder / "log"
        self._process = spawn(self._program, arguments, log, (), self._let_go)
        trouble = wait_until_ready(self._process, self._socket, 20.0)
        assert trouble is None, f"{trouble}\n{log.read_text()}"

    def kill(self) -> None:
        """`kill -9`; returns when it is gone."""
        assert self._process is not None
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, self._socket, 2.0)
        self._process = None
        self._let_go.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
