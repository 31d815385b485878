"""A project's static files as one piece of data, for nodes of a cluster that have not its folder.

The pack of a folder depends on nothing but its files' names and contents, so one that was deployed
before need not be kept twice.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zipfile
from pathlib import Path

from .code import CannotLoad

PACK_BYTES_MAX = 64 * 1024 * 1024  # it is kept in the memory of Ray's head
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that the format knows


def pack(folder: Path) -> bytes:
    """The files of a folder; links that lead out of it, and what is no file, are left out.

    Raises:
        CannotLoad: If they are over `PACK_BYTES_MAX`, or cannot be read.
    """
    data = io.BytesIO()
    root = folder.resolve()
    try:
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(root.rglob("*")):
                if file.is_file() and file.resolve().is_relative_to(root):
                    entry = zipfile.ZipInfo(str(file.relative_to(root)), _TIME)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, file.read_bytes())
                if data.tell() > PACK_BYTES_MAX:
                    raise CannotLoad(
                        f"the static files in {folder} are over {PACK_BYTES_MAX} bytes, packed; "
                        "serve large ones from somewhere else"
                    )
    except OSError as error:
        raise CannotLoad(f"the static files in {folder} cannot be read: {error}") from error
    return data.getvalue()


def name_of(data: bytes) -> str:
    """What a pack is called."""
    return hashlib.sha256(data).hexdigest()[:32]


def unpack(data: bytes, folder: Path) -> None:
    """Make `folder` with the files of a pack; it is there whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(scratch)
    scratch.mkdir(exist_ok=True)
    try:
        scratch.rename(folder)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
        if not folder.is_dir():
            raise
