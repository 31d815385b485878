"""Who has which slot of a Redis Cluster, as its nodes write it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS

Address = tuple[str, int]


def parse_slots(reply: Iterable[Any], host: str) -> list[Address | None]:
    """CLUSTER SLOTS as the primary's address of each slot; `host` told it, for nameless nodes."""
    slots: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
    for first, last, primary, *_ in reply:
        name = (primary[0] or b"").decode()
        address = (name if name not in ("", "?") else host, int(primary[1]))
        slots[first : last + 1] = [address] * (last + 1 - first)
    return slots


def parse_address(text: str, host: str) -> Address:
    """`host:port` as MOVED and ASK name it; without a host it is the one that answered."""
    name, _, port = text.rpartition(":")
    return name.strip("[]") or host, int(port)
