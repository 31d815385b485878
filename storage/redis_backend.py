"""Spaces in Redis: the `Backend` over hashes and three scripts.

See keys.py for the names of the keys and scripts/ for what is in them. Everything that is asked
may be asked twice: a claim counts up once more, a flush is recognised by its number, reads are
reads. So the connection repeats what a lost connection leaves unanswered.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from . import keys
from .alarm_index import AlarmIndex
from .alarms import Alarm
from .backend import FIRST_SHARD, Batch, Claim, Committed, Home, ShardInfo
from .errors import ClaimHeld, DecodeError, NotOwner
from .limits import StorageLimits
from .redis_commands import Argument, Reply
from .redis_connection import RedisClient

T = TypeVar("T")

# An index entry: count, bytes, length of the prefix; then the prefix and the first key.
_FIRST_ENTRY, _ENTRY = struct.Struct(">BHB"), struct.Struct(">IIB")
_APPLIED_BEFORE, _NOT_OWNER = 1, 2  # answers of commit.lua


class RedisBackend:
    """A `Backend` over one connection, which it closes when it is closed."""

    def __init__(self, connection: RedisClient, *, limits: StorageLimits | None = None) -> None:
        self._connection = connection
        self._limits = limits or StorageLimits()
        self._claim = connection.script("claim")
        self._commit = connection.script("commit")
        self._release = connection.script("release")
        self._alarms = AlarmIndex(connection)

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

    async def release(self, space: str, *, epoch: int) -> None:
        """Give the claim back. See `Backend.release`."""
        await self._release([keys.metadata_key(space)], [epoch], repeat=True)

    async def commit(self, batch: Batch) -> Committed:
        """Apply one flush. See `Backend.commit`."""
        shown = self._show_alarm(batch, only_earlier=True) if batch.alarm_advances else None
        if shown is not None and not self._connection.keeps_order:
            await shown
        answer = await self._commit(
            [keys.metadata_key(batch.space)],
            self._commit_arguments(batch),
            repeat=True,
        )
        if answer[0] == _NOT_OWNER:
            raise NotOwner(batch.space, batch.epoch, answer[1])
        if shown is not None:
            await shown  # it is answered already; a refusal would let the space oversleep
        if batch.alarm_changed:
            self._show_alarm(batch, only_earlier=False)
        _, alarm, entries, removed, whole = answer
        return Committed(
            flush_number=batch.flush_number,
            shards=[_shard(int(shard), packed) for shard, packed in _pairs(entries)],
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
                shard: _values(shard, prefix, answer)
                for (shard, prefix), answer in zip(shards, answers, strict=True)
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
                shard: [prefix + _text(name) for name in answer if name[:1] != keys.MARK]
                for (shard, prefix), answer in zip(shards, answers, strict=True)
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
            len(batch.progress),
            len(batch.merges),
            len(batch.writes),
            len(batch.alarms),
            self._limits.own_fields_max,
            self._limits.own_bytes_max,
        ]
        for progress in batch.progress.items():
            arguments += progress
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
    metadata: dict[bytes, bytes] = {}
    infos: list[ShardInfo] = []
    for name, value in _pairs(fields):
        if name[:1] == keys.MARK:
            number = name[1:]
            if number.isdigit():
                infos.append(_shard(int(number), value))
            else:
                metadata[name] = value
    values: dict[str, bytes] | None = None
    if shards is not None:
        values = {}
        answers = iter(shards)
        for info in infos:
            answer = fields if info.shard == FIRST_SHARD else next(answers)
            values.update(_values(info.shard, info.prefix, answer))
    return Claim(
        space=space,
        owner=owner,
        epoch=epoch,
        flush_number=int(metadata.get(keys.FLUSH_NUMBER, 0)),
        progress={name: int(value) for name, value in _named(metadata, keys.PROGRESS)},
        alarms={name: Alarm.unpacked(value) for name, value in _named(metadata, keys.ALARM)},
        next_shard=int(metadata.get(keys.NEXT_SHARD, FIRST_SHARD + 1)),
        shards=infos,
        values=values,
    )


def _named(metadata: Mapping[bytes, bytes], prefix: bytes) -> Iterable[tuple[str, bytes]]:
    for name, value in metadata.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix).decode(), value


def _shard(shard: int, packed: bytes) -> ShardInfo:
    entry = _FIRST_ENTRY if shard == FIRST_SHARD else _ENTRY
    key_count, size_bytes, cut = entry.unpack_from(packed)
    names = _text(packed[entry.size :])
    if not names.isascii():
        cut = len(_text(packed[entry.size : entry.size + cut]))
    return ShardInfo(shard, names[cut:], key_count, size_bytes, names[:cut])


def _values(shard: int, prefix: str, flat: list[bytes]) -> dict[str, bytes]:
    """Put the keys of a shard together with their values, without metadata that is beside them."""
    entries = _pairs(flat)
    if shard == FIRST_SHARD:
        entries = (entry for entry in entries if entry[0][:1] != keys.MARK)
    try:
        return {prefix + name.decode(): data for name, data in entries}
    except UnicodeDecodeError:
        return {prefix + _text(name): data for name, data in _pairs(flat)}  # to name the field


def _pairs(flat: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    items = iter(flat)
    return zip(items, items, strict=True)


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise DecodeError(f"a shard holds the field {name[:80]!r}, which is no UTF-8") from None
