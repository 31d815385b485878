"""The folder of a node's Unix sockets: who may enter it may speak for a gateway or a room."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress


def make(path: str) -> None:
    """Make the folder for this user alone, or take over the one that is there.

    Raises:
        PermissionError: If somebody else has made it, or others may enter it.
    """
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.getuid()
        or stat.S_IMODE(found.st_mode) & 0o077
    ):
        raise PermissionError(
            f"{path} must be a folder that belongs to this user and that nobody else may enter; "
            "somebody has made it otherwise: remove it"
        )


def remove(path: str) -> None:
    """Remove the folder with the sockets, and static files, that were left in it."""
    with suppress(OSError):
        for name in os.listdir(path):
            if name.endswith(".sock"):
                os.unlink(os.path.join(path, name))
            elif name.startswith("assets-"):
                shutil.rmtree(os.path.join(path, name), ignore_errors=True)
        os.rmdir(path)
