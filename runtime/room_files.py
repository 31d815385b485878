"""The files that exports are written to and imports are read from. Blocking."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .rooms_server import NotDone

STANDARD = "-"  # names the standard input or output


@contextlib.contextmanager
def import_source(path: str) -> Iterator[BinaryIO]:
    """A file to be read, as often as wanted; the standard input is copied to a temporary one.

    So all of it is there before anything else is done: what writes it may still use the server.

    Raises:
        NotDone: If it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            file: BinaryIO
            if path == STANDARD:
                file = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(sys.stdin.buffer, file)
                file.seek(0)
            else:
                file = stack.enter_context(open(path, "rb"))
        except OSError as error:
            raise NotDone(f"{path} cannot be read: {error.strerror or error}") from error
        yield file


@contextlib.contextmanager
def export_target(path: str) -> Iterator[BinaryIO]:
    """A file to be written, which has its name once all of it is there; or standard output.

    Raises:
        NotDone: If it cannot be written.
    """
    if path == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = Path(f"{path}.part")
    try:
        with open(part, "wb") as file:
            yield file
        os.replace(part, path)
    except OSError as error:
        raise NotDone(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
