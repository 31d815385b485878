"""What the hashes of a space hold, read from the server's replies. Pure.

See keys.py for the names of the hashes and of the metadata's fields, scripts/claim.lua for the
index. Keys that are no UTF-8 are refused by name: nothing of ours has written them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import keys
from .alarms import Alarm
from .backend import ShardInfo
from .errors import DecodeError

_ENTRY = struct.Struct(">II")  # an index entry: count, bytes; then the first key


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a space's metadata says.

    Attributes:
        owner: Who claims it, alive or not; None if the claim was given back.
        is_deleted: Nothing is left but the epoch: see scripts/forget.lua.
    """

    epoch: int
    owner: str | None
    address: str
    flush_number: int
    next_shard: int
    alarms: dict[str, Alarm]
    progress: dict[str, int]
    is_deleted: bool


def metadata_of(flat: Sequence[bytes]) -> Metadata:
    """Read the metadata of a space that has some.

    Raises:
        DecodeError: If it has no epoch, or an alarm in it is none.
    """
    fields = {name.decode(): value for name, value in pairs(flat)}
    if keys.EPOCH not in fields:
        raise DecodeError("the metadata of the room has no epoch")
    owner = fields.get(keys.OWNER)
    return Metadata(
        epoch=int(fields[keys.EPOCH]),
        owner=None if owner is None else owner.decode(),
        address=fields.get(keys.ADDRESS, b"").decode(),
        flush_number=int(fields.get(keys.FLUSH_NUMBER, 0)),
        next_shard=int(fields.get(keys.NEXT_SHARD, 0)),
        alarms={
            name.removeprefix(keys.ALARM): Alarm.unpacked(value)
            for name, value in fields.items()
            if name.startswith(keys.ALARM)
        },
        progress={
            name.removeprefix(keys.PROGRESS): int(value)
            for name, value in fields.items()
            if name.startswith(keys.PROGRESS)
        },
        is_deleted=fields.get(keys.DELETED) == fields[keys.EPOCH],
    )


def shards_of(entries: Sequence[bytes]) -> list[ShardInfo]:
    """Read entries of an index, in any order."""
    return [
        ShardInfo(int(shard), text(packed[_ENTRY.size :]), *_ENTRY.unpack_from(packed))
        for shard, packed in pairs(entries)
    ]


def sizes_of(packed_entries: Iterable[bytes]) -> tuple[int, int]:
    """Sum up the entries of an index without its shards' names: keys and bytes."""
    sizes = [_ENTRY.unpack_from(packed) for packed in packed_entries]
    return sum(count for count, _ in sizes), sum(size_bytes for _, size_bytes in sizes)


def values_of(flat: Sequence[bytes]) -> dict[str, bytes]:
    """Read a shard: keys with their encoded values."""
    try:
        return {name.decode(): data for name, data in pairs(flat)}
    except UnicodeDecodeError:
        return {text(name): data for name, data in pairs(flat)}  # to name the field


def pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """Take a flat reply as names with values."""
    items = iter(flat)
    return zip(items, items, strict=True)


def text(name: bytes) -> str:
    """Read the name of a key.

    Raises:
        DecodeError: If it is no UTF-8.
    """
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise DecodeError(f"a shard holds the field {name[:80]!r}, which is no UTF-8") from None
