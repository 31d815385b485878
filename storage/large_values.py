"""Values above the size of one key's value: split over several keys, written in one flush.

A large value has a head, which tells how many pieces and bytes it has, and its pieces. They lie
above all keys of a user (key_range.py), where no list shows them. Writing a shorter value deletes
the pieces that are not needed any more in the same flush.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Mapping
from typing import Any

from .awaitables import Ready
from .cache import UNKNOWN, Found, Known
from .codec import encode
from .deleted import deleted
from .errors import DecodeError, ValueTooLarge
from .key_range import RESERVED
from .reading import AskedKeys
from .space import Space
from .view import View

# What a value can ever be split into. Where the former value is not known, that many are deleted.
PIECES_MAX = 256
_HEAD = struct.Struct(">IQ")  # pieces, bytes


def put_large(space: Space, view: View, key: str, value: object, *, confirm: bool) -> None:
    """Store `value` in pieces, and drop what was there.

    Raises:
        ValueTooLarge: If it is above `limits.large_value_bytes_max` encoded.
    """
    write_large(space, view, key, encode(value), confirm=confirm)


def write_large(space: Space, view: View, key: str, data: bytes, *, confirm: bool) -> None:
    """As `put_large`, for a value that is encoded already.

    Raises:
        ValueTooLarge: If it is above `limits.large_value_bytes_max`.
    """
    limits = space.limits
    if len(data) > limits.large_value_bytes_max:
        advice = "split it over several keys"
        raise ValueTooLarge(key, len(data), limits.large_value_bytes_max, advice)
    piece_bytes = max(limits.large_chunk_bytes, -(-limits.large_value_bytes_max // PIECES_MAX))
    pieces = [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]
    entries = _without_pieces(view, key, len(pieces))
    entries[head_of(key)] = _HEAD.pack(len(pieces), len(data))
    entries.update((_piece(key, number), piece) for number, piece in enumerate(pieces))
    view.write(entries, confirm=confirm)


def delete_large(space: Space, view: View, key: str, *, confirm: bool) -> Awaitable[bool]:
    """Delete a large value; awaited, tell whether it existed."""
    head = view.lookup(head_of(key))
    result = deleted(space, {head_of(key): head}, bool)
    if head is not None:
        view.write({**_without_pieces(view, key, 0), head_of(key): None}, confirm=confirm)
    return result


def get_large(space: Space, view: View, key: str, default: Any) -> Awaitable[Any]:
    """Read a large value."""
    known: dict[str, Found] = {head_of(key): view.lookup(head_of(key))}
    head = known[head_of(key)]
    if head is None:
        return Ready(default)
    # Without the head, asking for the first piece with it often saves the second request.
    count = 1 if head is UNKNOWN else _read_head(key, head)[0]
    known.update((name, view.lookup(name)) for name in (_piece(key, n) for n in range(count)))
    unknown = [name for name, data in known.items() if data is UNKNOWN]
    found = {name: data for name, data in known.items() if data is not UNKNOWN}
    if not unknown:
        return Ready(_assembled(space, key, found))
    asked = space.reader.ask_keys(unknown)
    return space.reader.run(_read(space, key, found, asked, default))


async def _read(
    space: Space, key: str, found: dict[str, Known], asked: AskedKeys, default: Any
) -> Any:
    found.update(await space.reader.keys(asked))
    head = found[head_of(key)]
    if head is None:
        return default
    missing = [name for name in names_of(key, head) if name not in found]
    if missing:
        found.update(await space.reader.keys(space.reader.ask_keys(missing, first=False)))
    return _assembled(space, key, found)


def _assembled(space: Space, key: str, found: dict[str, Known]) -> Any:
    return space.decode(key, joined(key, found), trusted=False)


def _without_pieces(view: View, key: str, keep: int) -> dict[str, Known]:
    """Delete all pieces of the value that is there now, except for the first `keep`."""
    head = view.lookup(head_of(key))
    if head is None:
        return {}
    count = PIECES_MAX if head is UNKNOWN else _read_head(key, head)[0]
    return {_piece(key, number): None for number in range(keep, count)}


def _read_head(key: str, head: bytes) -> tuple[int, int]:
    if len(head) != _HEAD.size:
        raise DecodeError(f"the head of a large value is {len(head)} bytes", key)
    count, size_bytes = _HEAD.unpack(head)
    if count > PIECES_MAX:
        raise DecodeError(f"a large value of {count:,} pieces", key)
    return count, size_bytes


def joined(key: str, found: Mapping[str, Known]) -> bytes:
    """Put the pieces of a large value together: `found` has its head and all of them.

    Raises:
        DecodeError: If they are not as many bytes as the head says.
    """
    head = found[head_of(key)]
    assert head is not None
    count, size_bytes = _read_head(key, head)
    data = b"".join(found.get(_piece(key, number)) or b"" for number in range(count))
    if len(data) != size_bytes:
        raise DecodeError(f"its pieces are {len(data):,} bytes instead of {size_bytes:,}", key)
    return data


def names_of(key: str, head: bytes) -> list[str]:
    """Name the pieces of a large value that has this head.

    Raises:
        DecodeError: If it is no head.
    """
    return [_piece(key, number) for number in range(_read_head(key, head)[0])]


def large_key(name: str) -> str | None:
    """The key of the large value whose head has this name; None if it is no head."""
    if not (name.startswith(RESERVED) and name.endswith("\0")):
        return None
    return name[len(RESERVED) : -1]


def head_of(key: str) -> str:
    """Name the head of a large value."""
    return f"{RESERVED}{key}\0"


def _piece(key: str, number: int) -> str:
    return f"{RESERVED}{key}\0{number:02x}"
