"""One server per data folder: two locks on two files of the folder.

Guarantees. At most one process at a time is the starter of a folder, and at most one server
writes to it: the server inherits the second lock and holds it as long as it lives, so an
append-only file never has two writers, also when the starter was killed and its server was not.
The kernel drops both locks with their processes: no stale lock is ever left behind.
Not here: starting and stopping the server (embedded.py).
"""

import fcntl
import json
import os
from pathlib import Path
from typing import BinaryIO

STARTER_FILE = "starter.lock"
SERVER_FILE = "server.lock"


class FolderLock:
    """The two locks of one folder, as one starter holds them.

    The lock is `flock`, which belongs to the opened file: a second FolderLock of the same
    process conflicts as one of another process does, and the server inherits it with the file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starter: BinaryIO | None = None
        self._server: BinaryIO | None = None

    def take_starter(self) -> int | None:
        """Become the folder's starter; the process id of the present one where there is one."""
        file = open(self._folder / STARTER_FILE, "a+b")  # noqa: SIM115  # held until release
        if not _lock(file):
            holder = _read(file).get("pid")
            file.close()
            return holder if isinstance(holder, int) else 0
        _write(file, {"pid": os.getpid()})
        self._starter = file
        return None

    def take_server(self) -> str | None:
        """Take the server's lock; the socket of the server that still holds it where one does."""
        file = open(self._folder / SERVER_FILE, "a+b")  # noqa: SIM115  # held until release
        if not _lock(file):
            socket_path = _read(file).get("socket")
            file.close()
            return socket_path if isinstance(socket_path, str) else ""
        self._server = file
        return None

    @property
    def server_fileno(self) -> int:
        """The file that the server must inherit, so that the lock lives as long as it does."""
        assert self._server is not None, "take_server() comes first"
        return self._server.fileno()

    def left_socket(self) -> str | None:
        """The socket that the server before this one used, whether or not it was cleaned up."""
        assert self._server is not None, "take_server() comes first"
        socket_path = _read(self._server).get("socket")
        return socket_path if isinstance(socket_path, str) else None

    def note_socket(self, socket_path: str) -> None:
        """Write down where the server listens, for a starter that has to end or tidy it later."""
        assert self._server is not None, "take_server() comes first"
        _write(self._server, {"socket": socket_path})

    def release(self) -> None:
        """Give both back. The server's own copy of its lock stays until the server ends."""
        for file in (self._server, self._starter):
            if file is not None:
                file.close()
        self._server = self._starter = None


def noted_socket(folder: Path) -> Path | None:
    """Where the last server of the folder listens, or listened, as it was written down."""
    try:
        with open(folder / SERVER_FILE, "rb") as file:
            socket_path = _read(file).get("socket")
    except FileNotFoundError:
        return None
    return Path(socket_path) if isinstance(socket_path, str) else None


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: BinaryIO) -> dict[str, object]:
    file.seek(0)
    try:
        content = json.loads(file.read() or b"{}")
    except ValueError:  # its holder is writing it this moment, or was cut off while it did
        return {}
    return content if isinstance(content, dict) else {}


def _write(file: BinaryIO, content: dict[str, object]) -> None:
    file.truncate(0)  # opened for appending: what is written next is all there is
    file.write(json.dumps(content).encode())
    file.flush()
