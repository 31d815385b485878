"""Spaces in Redis: the `Backend` over hashes, which scripts change.

See keys.py for the names of the keys and scripts/ for what is in them. Everything that is asked
may be asked twice: a claim counts up once more, a flush is recognised by its number, reads are
reads. So the connection repeats what a lost connection leaves unanswered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from . import keys
from .alarm_index import AlarmIndex
from .backend import FIRST_SHARD, Batch, Claim, Committed, Home
from .claim_errors import ClaimHeld, FlushMissing, NotOwner
from .flight import SMALL_BYTES_MAX, Flight
from .limits import StorageLimits
from .redis_commands import Argument, Reply
from .redis_connection import RedisClient
from .redis_replies import keys_of, own_hash_of, shards_of, values_of

T = TypeVar("T")

_NOT_OWNER, _FLUSH_MISSING = 2, 3  # answers of commit.lua and forget.lua that refuse


class RedisBackend:
    """A `Backend` over one connection, which it closes when it is closed."""

    def __init__(self, connection: RedisClient, *, limits: StorageLimits | None = None) -> None:
        self._connection = connection
        self._limits = limits or StorageLimits()
        self._claim = connection.script("claim")
        self._commit = connection.script("commit")
        self._reclaim = connection.script("reclaim")
        self._release = connection.script("release")
        self._forget = connection.script("forget")
        self._alarms = AlarmIndex(connection)
        self._flight = Flight()

    async def claim(
        self, space: str, *, owner: str, address: str, takeover_epoch: int | None = None
    ) -> Claim:
        """Become the only writer of `space`. See `Backend.claim`."""
        keys.check_space(space)
        takeover = "" if takeover_epoch is None else takeover_epoch
        granted, *answer = await self._claim(
            [keys.metadata_key(space)],
            [owner, address, takeover, self._limits.claim_bytes_max],
            repeat=True,
        )
        if not granted:
            raise ClaimHeld(answer[0].decode(), answer[1].decode(), answer[2])
        return _claim(space, owner, *answer)

    async def reclaim(self, space: str, *, owner: str, epoch: int, new_owner: str) -> int:
        """Go on with a claim under another name. See `Backend.reclaim`."""
        granted, *answer = await self._reclaim(
            [keys.metadata_key(space)], [epoch, owner, new_owner], repeat=True
        )
        if not granted:
            raise NotOwner(space, epoch, *answer)
        return int(answer[0])

    async def release(self, space: str, *, owner: str, epoch: int) -> None:
        """Give the claim back. See `Backend.release`."""
        await self._release([keys.metadata_key(space)], [epoch, owner], repeat=True)

    async def forget(self, space: str, *, owner: str, epoch: int, flush_number: int) -> None:
        """Forget a space that the owner has emptied, and give its claim back.

        `flush_number` is the owner's last flush. The epoch stays: see scripts/forget.lua. The
        space is in no index of due times afterwards.

        Raises:
            NotOwner: If it is not the owner's any more.
            FlushMissing: If a fail-over lost flushes, so that the space may not be empty.
        """
        answer = await self._forget(
            [keys.metadata_key(space)], [epoch, owner, flush_number], repeat=True
        )
        if answer[0] == _NOT_OWNER:
            raise NotOwner(space, epoch, answer[1])
        if answer[0] == _FLUSH_MISSING:
            raise FlushMissing(space, flush_number + 1, answer[1])
        await self._alarms.drop(space, epoch=epoch)

    async def commit(self, batch: Batch) -> Committed:
        """Apply one flush. See `Backend.commit`."""
        if batch.size_bytes <= SMALL_BYTES_MAX:
            return await self._apply(batch)
        async with self._flight.place(batch.size_bytes):
            return await self._apply(batch)

    async def _apply(self, batch: Batch) -> Committed:
        shown = self._show_alarm(batch, only_earlier=True) if batch.alarm_advances else None
        if shown is not None and not self._connection.keeps_order:
            await shown
        answer = await self._commit(
            [keys.metadata_key(batch.space)],
            self._commit_arguments(batch),
            repeat=True,
        )
        if answer[0] == _NOT_OWNER:
            raise NotOwner(batch.space, batch.epoch, *answer[1:])
        if answer[0] == _FLUSH_MISSING:
            raise FlushMissing(batch.space, batch.flush_number, answer[1])
        if shown is not None:
            await shown  # it is answered already; a refusal would let the space oversleep
        if batch.alarm_changed:
            self._show_alarm(batch, only_earlier=False)
        _, alarm, entries, removed, whole = answer
        return Committed(
            flush_number=batch.flush_number,
            shards=shards_of(entries),
            removed=removed,
            whole_index=bool(whole),
            alarm_at_ms=int(alarm) if alarm else None,
        )

    def _show_alarm(self, batch: Batch, *, only_earlier: bool) -> Reply:
        return self._alarms.show(
            batch.space,
            epoch=batch.epoch,
            flush_number=batch.flush_number,
            due_ms=batch.alarm_at_ms,
            only_earlier=only_earlier,
        )

    async def take_due(self, now_ms: int, *, until_ms: int, count_max: int) -> list[str]:
        """Take spaces with an alarm that is due. See `AlarmSource.take_due`."""
        return await self._alarms.take(now_ms, until_ms=until_ms, count_max=count_max)

    async def put_off(self, space: str, until_ms: int) -> None:
        """Have a space not be due before `until_ms`. See `AlarmSource.put_off`."""
        await self._alarms.put_off(space, until_ms)

    async def lease_alive(self, owner: str) -> bool:
        """Tell whether the process `owner` still renews its lease. See `Backend.lease_alive`."""
        name = keys.lease_key(owner)
        return bool(await self._connection.execute("EXISTS", name, repeat=True, key=name))

    def read_fields(
        self, space: str, wanted: Mapping[Home, Sequence[str]]
    ) -> Awaitable[dict[str, bytes | None]]:
        """Read keys, given by where they are. See `Backend.read_fields`."""
        replies: list[Reply] = []
        asked: list[str] = []
        found: dict[str, bytes | None] = {}
        for (shard, prefix), names in wanted.items():
            cut, fields = len(prefix), []
            for name in names:
                if name.startswith(prefix):
                    asked.append(name)
                    fields.append(name[cut:])
                else:
                    found[name] = None
            if fields:
                replies.append(self._read("HMGET", space, shard, *fields))

        def build(answers: list[Any]) -> dict[str, bytes | None]:
            found.update(zip(asked, (data for answer in answers for data in answer), strict=True))
            return found

        return _Replies(replies, build)

    def read_shards(
        self, space: str, shards: Sequence[Home]
    ) -> Awaitable[dict[int, dict[str, bytes]]]:
        """Read whole shards. See `Backend.read_shards`."""
        replies = [self._read("HGETALL", space, shard) for shard, _ in shards]
        return _Replies(
            replies,
            lambda answers: {
                home.shard: values_of(home, answer)
                for home, answer in zip(shards, answers, strict=True)
            },
        )

    def read_shard_keys(
        self, space: str, shards: Sequence[Home]
    ) -> Awaitable[dict[int, list[str]]]:
        """Read the keys of shards. See `Backend.read_shard_keys`."""
        replies = [self._read("HKEYS", space, shard) for shard, _ in shards]
        return _Replies(
            replies,
            lambda answers: {
                home.shard: keys_of(home, answer)
                for home, answer in zip(shards, answers, strict=True)
            },
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    def _read(self, command: str, space: str, shard: int, *names: str) -> Reply:
        key = keys.shard_key(space, shard)
        return self._connection.execute(command, key, *names, repeat=True, key=key)

    def _commit_arguments(self, batch: Batch) -> list[Argument]:
        """Build the arguments in the order that commit.lua tells."""
        alarm: Argument = ""
        if batch.alarm_changed:
            alarm = "-" if batch.alarm_at_ms is None else batch.alarm_at_ms
        arguments: list[Argument] = [
            batch.epoch,
            batch.flush_number,
            self._limits.shard_fields_max,
            self._limits.shard_bytes_max,
            int(batch.clear),
            alarm,
            len(batch.progress) + len(batch.holders),
            len(batch.merges),
            len(batch.writes),
            len(batch.alarms),
            self._limits.own_fields_max,
            self._limits.own_bytes_max,
            batch.owner,
        ]
        for gateway, number in batch.progress.items():
            arguments += (f"p:{gateway}", number)
        for gateway, address in batch.holders.items():
            arguments += (f"g:{gateway}", address or "-")
        for name, changed in batch.alarms.items():
            arguments += (name, "" if changed is None else changed.packed())
        for merge in batch.merges:
            arguments += merge
        for shard, writes in batch.writes.items():
            prefix, cut = writes.prefix, len(writes.prefix)
            # Keys that do not begin with the prefix are not there.
            deletes = [name[cut:] for name in writes.deletes if name.startswith(prefix)]
            arguments += (shard, prefix, len(writes.sets), len(deletes))
            for name, data in writes.sets.items():
                arguments += (name[cut:], data)
            arguments += deletes
        return arguments


class _Replies(Awaitable[T], Generic[T]):
    """The replies to commands that are on their way, put together when they are awaited."""

    __slots__ = ("_build", "_replies")

    def __init__(self, replies: list[Reply], build: Callable[[list[Any]], T]) -> None:
        self._replies = replies
        self._build = build

    def __await__(self) -> Generator[Any, None, T]:
        if len(self._replies) == 1:
            return self._build([(yield from self._replies[0].__await__())])
        if not self._replies:
            return self._build([])
        return self._build((yield from asyncio.gather(*self._replies).__await__()))


def _claim(
    space: str,
    owner: str,
    epoch: int,
    fields: list[bytes],
    shards: list[list[bytes]] | None = None,
) -> Claim:
    kept, infos = own_hash_of(fields, epoch)
    values: dict[str, bytes] | None = None
    if shards is not None:
        values = {}
        answers = iter(shards)
        for info in infos:
            answer = fields if info.shard == FIRST_SHARD else next(answers)
            values.update(values_of(info.home, answer))
    return Claim(
        space=space,
        owner=owner,
        epoch=epoch,
        flush_number=kept.flush_number,
        progress=kept.progress,
        alarms=kept.alarms,
        next_shard=kept.next_shard,
        shards=infos,
        values=values,
        holders=kept.holders,
    )
