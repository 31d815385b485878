"""Values above the size of one key's value: split over several keys, written in one flush.

A large value has a head, which tells how many pieces and bytes it has, and its pieces. They lie
above all keys of a user (key_range.py), where no list shows them. Each writing has pieces of names
of their own: they can be brought to the server bit by bit before the flush that they belong to
(large_flush.py), as nobody reads them before that flush brings the head. The same flush deletes
the pieces of what was there before, and of writings that never came to their end.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from .awaitables import Ready
from .cache import UNKNOWN, Found, Known
from .codec import encode
from .deleted import deleted
from .errors import ValueTooLarge
from .large_names import PIECES_MAX, head_of, joined, names_of, pack_head
from .reading import AskedKeys
from .space import Space
from .view import View


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
    head = pack_head(len(pieces), len(data), *space.next_writing())
    entries: dict[str, Known] = {head_of(key): head}
    entries.update(zip(names_of(key, head), pieces, strict=True))
    view.write(entries, confirm=confirm)


def delete_large(space: Space, view: View, key: str, *, confirm: bool) -> Awaitable[bool]:
    """Delete a large value; awaited, tell whether it existed."""
    head = view.lookup(head_of(key))
    result = deleted(space, {head_of(key): head}, bool)
    if head is not None:
        view.write({head_of(key): None}, confirm=confirm)
    return result


def get_large(space: Space, view: View, key: str, default: Any) -> Awaitable[Any]:
    """Read a large value."""
    known: dict[str, Found] = {head_of(key): view.lookup(head_of(key))}
    head = known[head_of(key)]
    if head is None:
        return Ready(default)
    if head is not UNKNOWN:
        known.update((name, view.lookup(name)) for name in names_of(key, head))
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
