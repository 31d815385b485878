"""The names under which a large value is kept, and its head. Pure; see large_values.py."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from .cache import Known
from .errors import DecodeError
from .key_range import RESERVED

PIECES_MAX = 256  # what a value can ever be split into
_HEAD = struct.Struct(">IQQI")  # pieces, bytes, and the writing: epoch, number in that epoch
_EARLY_HEAD = struct.Struct(">IQ")  # of builds before, whose pieces had the same names each time


def pack_head(count: int, size_bytes: int, epoch: int, number: int) -> bytes:
    """The head of a value of so many pieces and bytes, of that writing."""
    return _HEAD.pack(count, size_bytes, epoch, number)


def _read_head(key: str, head: bytes) -> tuple[int, int, str]:
    if len(head) == _EARLY_HEAD.size:
        count, size_bytes = _EARLY_HEAD.unpack(head)
        writing = ""
    elif len(head) == _HEAD.size:
        count, size_bytes, epoch, number = _HEAD.unpack(head)
        writing = f"{epoch:x}.{number:x}."
    else:
        raise DecodeError(f"the head of a large value is {len(head)} bytes", key)
    if count > PIECES_MAX:
        raise DecodeError(f"a large value of {count:,} pieces", key)
    return count, size_bytes, writing


def joined(key: str, found: Mapping[str, Known]) -> bytes:
    """Put the pieces of a large value together: `found` has its head and all of them.

    Raises:
        DecodeError: If they are not as many bytes as the head says.
    """
    head = found[head_of(key)]
    assert head is not None
    _, size_bytes, _ = _read_head(key, head)
    data = b"".join(found.get(name) or b"" for name in names_of(key, head))
    if len(data) != size_bytes:
        raise DecodeError(f"its pieces are {len(data):,} bytes instead of {size_bytes:,}", key)
    return data


def names_of(key: str, head: bytes) -> list[str]:
    """Name the pieces of a large value that has this head.

    Raises:
        DecodeError: If it is no head.
    """
    count, _, writing = _read_head(key, head)
    return [f"{RESERVED}{key}\0{writing}{number:02x}" for number in range(count)]


def large_key(name: str) -> str | None:
    """The key of the large value whose head has this name; None if it is no head."""
    if not (name.startswith(RESERVED) and name.endswith("\0")):
        return None
    return name[len(RESERVED) : -1]


def head_of(key: str) -> str:
    """Name the head of a large value."""
    return f"{RESERVED}{key}\0"


def pieces_range(key: str) -> tuple[str, str]:
    """Between what names all pieces of a large value lie; those of others may be there too."""
    return f"{RESERVED}{key}\0\1", f"{RESERVED}{key}\1"


def is_piece(key: str, name: str) -> bool:
    """Whether a name in that range is one of a piece of this large value."""
    return "\0" not in name[len(RESERVED) + len(key) + 1 :]
