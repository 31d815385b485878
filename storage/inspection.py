"""Which spaces a server keeps, and how each stands: without a claim, without waking anything.

Guarantees. Pages go through any number of spaces with bounded memory. A space that exists all the
while is in at least one page; one that moves within the server meanwhile (others come and go, a
cluster moves slots) may be in two. A space is live if its metadata has an owner whose lease
exists. Nothing is written.
Not here: keys and values (durable.py), which room a space is of.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from . import keys
from .alarms import next_due_ms
from .backend import ShardInfo
from .errors import StorageError
from .redis_cluster import ClusterConnection
from .redis_connection import RedisClient
from .redis_replies import Metadata, own_hash_of, sizes_of
from .server_errors import CommandFailed
from .server_promises import parse_info

KEYS_PER_STEP = 512  # that the server looks at in one step of a scan, about


class UnknownCursor(StorageError):
    """A cursor that no page ended with, or whose server has restarted or is no primary now."""

    def __init__(self, cursor: str) -> None:
        super().__init__(cursor)
        self.cursor = cursor

    def __str__(self) -> str:
        return (
            f"the cursor {self.cursor[:80]!r} leads nowhere (any more): give the one that the last "
            "page ended with, or, if the server has restarted since, begin again without one"
        )


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: in a step of one server's scan, behind so many of the step's spaces.

    Attributes:
        server: Its address in a cluster; empty where there is but one.
        life: What the server scatters its keys by, usually until it restarts: in short.
        position: The scan's own cursor, with which the step begins.
        shown: How many of the step's spaces, in order, were in pages.
        digest: Of all of the step's spaces: if they are others now, all of them are shown.
    """

    server: str
    life: str
    position: int
    shown: int = 0
    digest: int = 0

    def __str__(self) -> str:
        parts = f"{self.life}.{self.position}.{self.shown}.{self.digest:x}"
        return f"{self.server}/{parts}".removeprefix("/")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises:
            UnknownCursor: If it is something else.
        """
        server, _, rest = text.rpartition("/")
        try:
            life, position, shown, digest = rest.split(".")
            return cls(server, life, int(position), int(shown), int(digest, 16))
        except ValueError:
            raise UnknownCursor(text) from None

    def not_shown(self, spaces: Sequence[str]) -> Sequence[str]:
        """Choose from the spaces of this step those that no page had, as far as one can tell."""
        return spaces[self.shown :] if self.digest == _digest(spaces) else spaces


@dataclass(frozen=True, slots=True)
class SpaceSummary:
    """How a space stands, in short.

    Attributes:
        address: Where its owner is; empty if it is not live.
        keys: As `Storage.size` counts them, and `size_bytes` likewise.
    """

    space: str
    is_live: bool
    address: str
    keys: int
    size_bytes: int
    next_alarm_ms: int | None


@dataclass(frozen=True, slots=True)
class SpaceState:
    """How a space stands, whole.

    Attributes:
        lease_ms: What is left of its owner's lease; None if it has no owner or that one no lease.
    """

    space: str
    metadata: Metadata
    shards: list[ShardInfo]
    lease_ms: int | None

    @property
    def is_live(self) -> bool:
        """Whether a process that is alive has it."""
        return self.lease_ms is not None

    @property
    def keys(self) -> int:
        """As `Storage.size` counts them."""
        return sum(info.key_count for info in self.shards)

    @property
    def size_bytes(self) -> int:
        """Of keys and encoded values."""
        return sum(info.size_bytes for info in self.shards)

    @property
    def next_alarm_ms(self) -> int | None:
        """When its first alarm is due."""
        return next_due_ms(self.metadata.alarms.values())


@dataclass(frozen=True, slots=True)
class Page:
    """Some spaces, and where the next page begins; None at the end."""

    spaces: list[SpaceSummary]
    cursor: Cursor | None


class Inspector:
    """Looks at the spaces of a server, over a connection that belongs to somebody else."""

    def __init__(self, connection: RedisClient) -> None:
        self._connection = connection

    async def state(self, space: str) -> SpaceState | None:
        """Look at one space; None if there is none of that name.

        Raises:
            DecodeError: If its metadata or its index is damaged.
        """
        keys.check_space(space)
        name = keys.metadata_key(space)
        fields = await self._connection.execute("HGETALL", name, repeat=True, key=name)
        if not fields:
            return None
        kept, shards = own_hash_of(fields)
        if kept.is_deleted:
            return None
        lease_ms = None if kept.owner is None else await self._lease_ms(kept.owner)
        return SpaceState(space, kept, shards, lease_ms)

    async def page(
        self,
        *,
        prefix: str = "",
        live: bool | None = None,
        limit: int,
        after: Cursor | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Page:
        """List up to `limit` spaces whose names begin with `prefix`, in no order.

        `live` asks for live ones, or for those that are not. `on_step` is told now and then how
        many spaces were looked at.

        Raises:
            UnknownCursor: If `after` belongs to no server of this cluster.
        """
        servers = await self._servers()
        if after is not None and after.server not in servers:
            raise UnknownCursor(str(after))
        at: Cursor | None = after or await self._first(servers, next(iter(servers)))
        assert at is not None
        if after is not None and after.life != await _life(servers[after.server]):
            raise UnknownCursor(str(after))
        found: list[SpaceSummary] = []
        looked_at = 0
        while at is not None and len(found) < limit:
            position, spaces = await self._step(servers[at.server], at.position, prefix)
            fresh = at.not_shown(spaces)
            summaries = await asyncio.gather(*(self._summary(space, live) for space in fresh))
            shown = len(spaces) - len(fresh)
            for summary in summaries:
                if len(found) == limit:
                    return Page(found, replace(at, shown=shown, digest=_digest(spaces)))
                shown += 1
                if summary is not None:
                    found.append(summary)
            looked_at += len(fresh)
            if on_step is not None:
                on_step(looked_at)
            if position:
                at = Cursor(at.server, at.life, position)
            else:
                following = list(servers)[list(servers).index(at.server) + 1 :]
                at = await self._first(servers, following[0]) if following else None
        return Page(found, at)

    async def _first(self, servers: Mapping[str, RedisClient], server: str) -> Cursor:
        return Cursor(server, await _life(servers[server]), 0)

    async def _servers(self) -> dict[str, RedisClient]:
        """The servers with spaces by their addresses, in an order that stays."""
        if not isinstance(self._connection, ClusterConnection):
            return {"": self._connection}
        primaries = await self._connection.primaries()
        return dict(sorted((f"{node.url.host}:{node.url.port}", node) for node in primaries))

    async def _step(self, server: RedisClient, position: int, prefix: str) -> tuple[int, list[str]]:
        pattern = keys.metadata_pattern(prefix)
        position, names = await server.execute(
            "SCAN", position, "MATCH", pattern, "COUNT", KEYS_PER_STEP, "TYPE", "hash", repeat=True
        )
        # A name that is no text is not ours.
        return int(position), sorted(
            {keys.space_of(name.decode("utf-8", "replace")) for name in names}
        )

    async def _summary(self, space: str, live: bool | None) -> SpaceSummary | None:
        """Sum up a space; None if it is gone, or not as `live` asks for."""
        name = keys.metadata_key(space)
        wanted = (keys.EPOCH, keys.OWNER, keys.ADDRESS, keys.ALARM_AT_MS, keys.DELETED)
        epoch, owner, address, alarm, deleted = await self._connection.execute(
            "HMGET", name, *wanted, repeat=True, key=name
        )
        if epoch is None or epoch == deleted:
            return None
        is_live = owner is not None and await self._lease_ms(owner.decode()) is not None
        if live not in (None, is_live):
            return None
        # With the keys of a small space: asking for the index alone would be one round trip more.
        fields = await self._connection.execute("HGETALL", name, repeat=True, key=name)
        return SpaceSummary(
            space,
            is_live,
            address.decode() if is_live and address else "",
            *sizes_of(fields),
            int(alarm) if alarm else None,
        )

    async def _lease_ms(self, owner: str) -> int | None:
        name = keys.lease_key(owner)
        left_ms: int = await self._connection.execute("PTTL", name, repeat=True, key=name)
        return None if left_ms == -2 else max(0, left_ms)


async def _life(server: RedisClient) -> str:
    """Tell what a cursor of this server is good for.

    Servers hash keys with a secret that is drawn at each start, unless it is configured: a cursor
    from before a restart would leave spaces out.
    """
    try:
        configured = await server.execute("CONFIG", "GET", "hash-seed", repeat=True)
    except CommandFailed:  # forbidden, as managed servers do
        configured = []
    secret = configured[1] if len(configured) == 2 else b""
    if not secret:
        info = parse_info(await server.execute("INFO", "server", repeat=True))
        secret = info.get("run_id", "").encode()
    return hashlib.sha256(secret).hexdigest()[:8]


def _digest(spaces: Sequence[str]) -> int:
    return zlib.crc32("\n".join(spaces).encode())
