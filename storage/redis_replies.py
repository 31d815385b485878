"""What the hashes of a space hold, read from the server's replies. Pure.

See keys.py for the names of the hashes, scripts/claim.lua for their fields. Keys that are no UTF-8
are refused by name: nothing of ours has written them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from . import keys
from .alarms import Alarm
from .backend import FIRST_SHARD, Home, ShardInfo
from .errors import DecodeError

# An index entry: count, bytes, length of the prefix; then the prefix and the first key.
_FIRST_ENTRY, _ENTRY = struct.Struct(">BHB"), struct.Struct(">IIB")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a space's metadata says.

    Attributes:
        owner: Who claims it, alive or not; None if the claim was given back.
        deleted_epoch: In which the space was deleted last, see scripts/forget.lua; 0 if never.
    """

    epoch: int
    owner: str | None
    address: str
    flush_number: int
    next_shard: int
    alarms: dict[str, Alarm]
    progress: dict[str, int]
    deleted_epoch: int
    holders: dict[str, str] = field(default_factory=dict)

    @property
    def is_deleted(self) -> bool:
        """Whether nothing is left but the epoch."""
        return self.deleted_epoch == self.epoch


def own_hash_of(
    flat: Sequence[bytes], epoch: int | None = None
) -> tuple[Metadata, list[ShardInfo]]:
    """Read the metadata and the index, in any order, from a space's own hash.

    `epoch` is for a hash from before a claim, which may be empty: the epoch since.

    Raises:
        DecodeError: If there is no epoch, an alarm is none, or a first key is no UTF-8.
    """
    fields: dict[bytes, bytes] = {}
    shards: list[ShardInfo] = []
    for name, value in pairs(flat):
        if name[:1] == keys.MARK:
            number = name[1:]
            if number.isdigit():
                shards.append(_shard(int(number), value))
            else:
                fields[name] = value
    if epoch is None:
        if keys.EPOCH not in fields:
            raise DecodeError("the metadata of the room has no epoch")
        epoch = int(fields[keys.EPOCH])
    owner = fields.get(keys.OWNER)
    metadata = Metadata(
        epoch=epoch,
        owner=None if owner is None else owner.decode(),
        address=fields.get(keys.ADDRESS, b"").decode(),
        flush_number=int(fields.get(keys.FLUSH_NUMBER, 0)),
        next_shard=int(fields.get(keys.NEXT_SHARD, FIRST_SHARD + 1)),
        alarms={name: Alarm.unpacked(value) for name, value in _named(fields, keys.ALARM)},
        progress={name: int(value) for name, value in _named(fields, keys.PROGRESS)},
        deleted_epoch=int(fields.get(keys.DELETED, 0)),
        holders={name: value.decode() for name, value in _named(fields, keys.HOLDER)},
    )
    return metadata, shards


def _named(fields: Mapping[bytes, bytes], prefix: bytes) -> Iterable[tuple[str, bytes]]:
    for name, value in fields.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix).decode(), value


def shards_of(entries: Sequence[bytes]) -> list[ShardInfo]:
    """Read entries of an index, in any order: shard numbers with what is packed for each."""
    return [_shard(int(shard), packed) for shard, packed in pairs(entries)]


def _shard(shard: int, packed: bytes) -> ShardInfo:
    entry = _FIRST_ENTRY if shard == FIRST_SHARD else _ENTRY
    key_count, size_bytes, cut = entry.unpack_from(packed)
    names = text(packed[entry.size :])
    if not names.isascii():
        cut = len(text(packed[entry.size : entry.size + cut]))
    return ShardInfo(shard, names[cut:], key_count, size_bytes, names[:cut])


def sizes_of(flat: Sequence[bytes]) -> tuple[int, int]:
    """Sum up the index in a space's own hash without its shards' names: keys and bytes."""
    keys_count = size_bytes = 0
    for name, packed in pairs(flat):
        if name[:1] == keys.MARK and (number := name[1:]).isdigit():
            entry = _FIRST_ENTRY if int(number) == FIRST_SHARD else _ENTRY
            shard_keys, shard_bytes, _ = entry.unpack_from(packed)
            keys_count += shard_keys
            size_bytes += shard_bytes
    return keys_count, size_bytes


def values_of(home: Home, flat: Sequence[bytes]) -> dict[str, bytes]:
    """Read the hash of a shard: keys with their encoded values.

    Raises:
        DecodeError: If a key is no UTF-8.
    """
    prefix = home.prefix
    try:
        return {prefix + name.decode(): data for name, data in _entries(home, flat)}
    except UnicodeDecodeError:  # to name the field
        return {prefix + text(name): data for name, data in _entries(home, flat)}


def _entries(home: Home, flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    entries = pairs(flat)
    if home.shard != FIRST_SHARD:
        return entries
    return (entry for entry in entries if entry[0][:1] != keys.MARK)


def keys_of(home: Home, fields: Iterable[bytes]) -> list[str]:
    """Read the names of the fields in the hash of a shard: its keys.

    Raises:
        DecodeError: If one is no UTF-8.
    """
    if home.shard == FIRST_SHARD:
        fields = (name for name in fields if name[:1] != keys.MARK)
    return [home.prefix + text(name) for name in fields]


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
