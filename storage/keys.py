"""Every Redis key name, spelled once.

A space is the storage of one room. All its keys carry the space's name as hash tag, so that
they share one slot of a Redis Cluster and one script can change them together.

    parlour:{space}:r      metadata: epoch, owner, address, last flush, alarms, progress, holders;
                           index: shard -> count, bytes, prefix, first key;
                           shard 0, if there is one: all keys of a small space, with their values
    parlour:{space}:s:<n>  shard n: a contiguous range of the space's keys, with their values
    parlour:lease:<owner>  there while the process `owner` is alive

    parlour:alarms:{k}     index of due times, part k of 16: space -> ms of its next alarm
    parlour:alarms:{k}:f   the flush that entered each of them
"""

from __future__ import annotations

import zlib

PREFIX = "parlour"

# Fields of the space's own hash, short because every room has them. They begin with a byte that
# is in no UTF-8, so that no key of shard 0 can be taken for one of them.
MARK = b"\xff"  # + the number of a shard is its index entry
EPOCH = MARK + b"e"
OWNER = MARK + b"o"
ADDRESS = MARK + b"a"
FLUSH_NUMBER = MARK + b"f"
ALARM_AT_MS = MARK + b"t"  # of the alarm that is due first
NEXT_SHARD = MARK + b"n"
DELETED = MARK + b"d"  # the epoch of the last deletion; the space exists if that is not its epoch
PROGRESS = MARK + b"p:"  # + gateway id
HOLDER = MARK + b"g:"  # + gateway id, of one that holds connections: where it is summoned
ALARM = MARK + b"t:"  # + the alarm's name

ALARM_INDEX_PARTS = 16  # spread over the slots of a cluster


def metadata_key(space: str) -> str:
    """Name a space's own hash: metadata, index, and shard 0."""
    return f"{PREFIX}:{{{space}}}:r"


def shard_key(space: str, shard: int) -> str:
    """Name the hash that one shard is in."""
    return f"{PREFIX}:{{{space}}}:s:{shard}" if shard else metadata_key(space)


def metadata_pattern(prefix: str = "") -> str:
    """The glob of the own hashes of all spaces whose names begin with `prefix`."""
    literal = "".join(f"\\{sign}" if sign in "*?[]\\^-" else sign for sign in prefix)
    return f"{PREFIX}:{{{literal}*}}:r"


def space_of(metadata_name: str) -> str:
    """Name the space that `metadata_key` was given."""
    return metadata_name.removeprefix(f"{PREFIX}:{{").removesuffix("}:r")


def alarm_index_of(space: str) -> int:
    """Tell which part of the index of due times a space belongs to."""
    return zlib.crc32(space.encode()) % ALARM_INDEX_PARTS


def alarm_index_keys(part: int) -> list[str]:
    """Name the due times of a part of the index, and who entered them."""
    return [f"{PREFIX}:alarms:{{{part}}}", f"{PREFIX}:alarms:{{{part}}}:f"]


def lease_key(owner: str) -> str:
    """Name the key that lives as long as the process `owner` renews it."""
    return f"{PREFIX}:lease:{owner}"


def check_space(space: str) -> None:
    """Refuse a space name that would break the hash tag.

    Raises:
        ValueError: If it is empty or holds a brace.
    """
    if not space or "{" in space or "}" in space:
        raise ValueError(
            f"space name {space!r} must not be empty nor hold braces, "
            "which mark the hash tag; percent-encode the id"
        )
