"""The private server of a folder for the moment of a command, whether it runs or not.

Guarantees. A server that runs is used and left running. Where none does, one is started, and
stopped when its last visitor goes: visitors share a lock, and who started the server stops it
only when nobody else has that. A folder that holds no data is not made to hold any.
Not here: the server (embedded.py), which process may run it (folder_lock.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from .embedded import EmbeddedServer
from .embedded_process import ask
from .folder_lock import SERVER_FILE, noted_socket
from .server_errors import FolderInUse, NothingStored, ServerAway

VISITORS_FILE = "visitors.lock"
STARTING_S = 10.0  # for a server that another process is starting or stopping
LAST_VISITOR_S = 60.0  # for the others to go, before the server is stopped all the same
_ANSWER_S = 1.0
_PAUSE_S = 0.02


@contextlib.contextmanager
def visit(folder: str | os.PathLike[str]) -> Iterator[str]:
    """The URL of the private server of `folder`, good inside the `with`.

    Raises:
        NothingStored: If no server has ever kept data there.
        ServerAway: If a process has the folder and its server does not answer in `STARTING_S`.
        FolderInUse: If a server that was left behind there does not end.
        EmbeddedServerFailed, EmbeddedServerMissing: If it has to be started and cannot be.
    """
    path = Path(folder).absolute()
    if not (path / SERVER_FILE).exists():
        raise NothingStored(path)
    with open(path / VISITORS_FILE, "ab") as visitors:
        _lock_within(visitors, fcntl.LOCK_SH, STARTING_S)
        url, server = _found_or_started(path)
        try:
            yield url
        finally:
            if server is not None:
                # Lets go of the shared lock first: newer visitors may come in, and are waited for.
                _lock_within(visitors, fcntl.LOCK_EX, LAST_VISITOR_S)
                server.stop()


def _found_or_started(folder: Path) -> tuple[str, EmbeddedServer | None]:
    patience_s = time.monotonic() + STARTING_S
    while True:
        socket_path = noted_socket(folder)
        if socket_path is not None and _answers(socket_path):
            return f"unix://{quote(str(socket_path))}", None
        server = EmbeddedServer(folder)
        try:
            server.start()
        except FolderInUse as error:
            if time.monotonic() > patience_s:
                if error.holder_pid is None:
                    raise
                raise ServerAway(folder, error.holder_pid, STARTING_S) from error
            time.sleep(_PAUSE_S)
        else:
            return server.url, server


def _answers(socket_path: Path) -> bool:
    try:
        return ask(socket_path, b"PING", _ANSWER_S).startswith(b"+PONG")
    except OSError:
        return False


def _lock_within(file: BinaryIO, kind: int, wait_s: float) -> None:
    """Take the lock, or go on without it when others have kept it for so long."""
    patience_s = time.monotonic() + wait_s
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return
        if time.monotonic() > patience_s:
            return
        time.sleep(_PAUSE_S)
