"""Spaces kept in this process's memory: for tests and for rooms that need no durability.

It keeps the promises of `Backend` except one: nothing outlives the process. It cuts spaces into
shards as the Redis backend does, so that what runs on top behaves the same; prefixes it ignores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeVar

from .alarms import Alarm, next_due_ms
from .backend import Batch, Claim, Committed, Home, ShardInfo
from .claim_errors import ClaimHeld, FlushMissing, NotOwner
from .keys import check_space
from .limits import StorageLimits

_T = TypeVar("_T")


@dataclass(slots=True)
class _Space:
    epoch: int = 0
    owner: str | None = None
    address: str = ""
    flush_number: int = 0
    next_shard: int = 1
    alarms: dict[str, Alarm] = field(default_factory=dict)
    put_off_until_ms: int = 0
    progress: dict[str, int] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    shards: dict[int, dict[str, bytes]] = field(default_factory=dict)
    firsts: dict[int, str] = field(default_factory=dict)

    def info(self, shard: int) -> ShardInfo:
        values = self.shards[shard]
        size_bytes = sum(len(key.encode()) + len(value) for key, value in values.items())
        return ShardInfo(shard, self.firsts[shard], len(values), size_bytes)

    def index(self) -> list[ShardInfo]:
        return [self.info(shard) for shard in self.shards]

    def alarm_at_ms(self) -> int | None:
        return next_due_ms(self.alarms.values())

    def is_due(self, now_ms: int) -> bool:
        at_ms = self.alarm_at_ms()
        return at_ms is not None and max(at_ms, self.put_off_until_ms) <= now_ms


class MemoryBackend:
    """A `Backend` in a dict. Share one between everything that should see the same spaces."""

    def __init__(self, *, limits: StorageLimits | None = None) -> None:
        self._limits = limits or StorageLimits()
        self._spaces: dict[str, _Space] = {}

    async def claim(
        self, space: str, *, owner: str, address: str, takeover_epoch: int | None = None
    ) -> Claim:
        """Become the only writer of `space`. See `Backend.claim`."""
        check_space(space)
        await asyncio.sleep(0)
        kept = self._spaces.setdefault(space, _Space())
        if kept.owner not in (None, owner) and kept.epoch != takeover_epoch:
            assert kept.owner is not None
            raise ClaimHeld(kept.owner, kept.address, kept.epoch)
        kept.epoch += 1
        kept.owner, kept.address = owner, address
        shards = kept.index()
        values = None
        if sum(info.size_bytes for info in shards) <= self._limits.claim_bytes_max:
            values = {key: value for shard in kept.shards.values() for key, value in shard.items()}
        return Claim(
            space=space,
            owner=owner,
            epoch=kept.epoch,
            flush_number=kept.flush_number,
            progress=dict(kept.progress),
            alarms=dict(kept.alarms),
            next_shard=kept.next_shard,
            shards=shards,
            values=values,
            holders=dict(kept.holders),
        )

    async def reclaim(self, space: str, *, owner: str, epoch: int, new_owner: str) -> int:
        """Go on with a claim under another name. See `Backend.reclaim`."""
        await asyncio.sleep(0)
        kept = self._spaces.setdefault(space, _Space())
        if (kept.epoch, kept.owner) not in ((epoch, owner), (epoch + 1, new_owner)):
            raise NotOwner(space, epoch, kept.epoch, kept.flush_number)
        kept.epoch, kept.owner = epoch + 1, new_owner
        return kept.flush_number

    async def release(self, space: str, *, owner: str, epoch: int) -> None:
        """Give the claim back. See `Backend.release`."""
        await asyncio.sleep(0)
        kept = self._spaces.get(space)
        if kept is not None and (kept.epoch, kept.owner) == (epoch, owner):
            kept.owner, kept.address = None, ""

    async def commit(self, batch: Batch) -> Committed:
        """Apply one flush. See `Backend.commit`."""
        kept = self._spaces.setdefault(batch.space, _Space())
        if (kept.epoch, kept.owner) != (batch.epoch, batch.owner):
            raise NotOwner(batch.space, batch.epoch, kept.epoch, kept.flush_number)
        if kept.flush_number >= batch.flush_number:
            committed = Committed(batch.flush_number, kept.index(), [], True, kept.alarm_at_ms())
        elif kept.flush_number != batch.flush_number - 1:
            raise FlushMissing(batch.space, batch.flush_number, kept.flush_number)
        else:
            committed = self._apply(kept, batch)
        await asyncio.sleep(0)
        return committed

    async def lease_alive(self, owner: str) -> bool:
        """Tell whether `owner` holds a space: its process is this one, which is alive."""
        return any(kept.owner == owner for kept in self._spaces.values())

    def read_fields(
        self, space: str, wanted: Mapping[Home, Sequence[str]]
    ) -> Awaitable[dict[str, bytes | None]]:
        """Read keys, given by shard. See `Backend.read_fields`."""
        shards = self._shards_of(space)
        return _later(
            {
                key: shards.get(home.shard, {}).get(key)
                for home, keys in wanted.items()
                for key in keys
            }
        )

    def read_shards(
        self, space: str, shards: Sequence[Home]
    ) -> Awaitable[dict[int, dict[str, bytes]]]:
        """Read whole shards. See `Backend.read_shards`."""
        kept = self._shards_of(space)
        return _later({shard: dict(kept.get(shard, {})) for shard, _ in shards})

    def read_shard_keys(
        self, space: str, shards: Sequence[Home]
    ) -> Awaitable[dict[int, list[str]]]:
        """Read the keys of shards. See `Backend.read_shard_keys`."""
        kept = self._shards_of(space)
        return _later({shard: list(kept.get(shard, {})) for shard, _ in shards})

    async def take_due(self, now_ms: int, *, until_ms: int, count_max: int) -> list[str]:
        """Take spaces with an alarm that is due. See `AlarmSource.take_due`."""
        await asyncio.sleep(0)
        due = [name for name, kept in self._spaces.items() if kept.is_due(now_ms)][:count_max]
        for name in due:
            self._spaces[name].put_off_until_ms = until_ms
        return due

    async def put_off(self, space: str, until_ms: int) -> None:
        """Have a space not be due before `until_ms`. See `AlarmSource.put_off`."""
        await asyncio.sleep(0)
        if space in self._spaces:
            self._spaces[space].put_off_until_ms = until_ms

    def next_due_ms(self) -> int | None:
        """Tell when `take_due` has something to give first; None if never."""
        due = [
            max(at_ms, kept.put_off_until_ms)
            for kept in self._spaces.values()
            if (at_ms := kept.alarm_at_ms()) is not None
        ]
        return min(due, default=None)

    def copy(self) -> MemoryBackend:
        """What is durable now, in a backend of its own in which nobody has claimed anything."""
        copied = MemoryBackend(limits=self._limits)
        copied._spaces = deepcopy(self._spaces)
        for kept in copied._spaces.values():
            kept.owner, kept.address = None, ""
        return copied

    async def close(self) -> None:
        """Do nothing: what was stored stays for the next claim."""

    def _shards_of(self, space: str) -> dict[int, dict[str, bytes]]:
        kept = self._spaces.get(space)
        return kept.shards if kept is not None else {}

    def _apply(self, kept: _Space, batch: Batch) -> Committed:
        if batch.clear:
            kept.shards.clear()
            kept.firsts.clear()
        before = set(kept.shards)
        touched = dict.fromkeys(batch.writes)
        for shard, writes in batch.writes.items():
            if shard not in kept.shards:
                kept.shards[shard], kept.firsts[shard] = {}, ""
                kept.next_shard = max(kept.next_shard, shard + 1)
            values = kept.shards[shard]
            values.update(writes.sets)
            for key in writes.deletes:
                values.pop(key, None)
        for left, right in batch.merges:
            self._merge(kept, left, right)
            touched.update(dict.fromkeys((left, right)))
        for shard in list(touched):
            if shard in kept.shards:
                touched.update(dict.fromkeys(self._split(kept, shard)))
        for shard in touched:
            self._drop_if_empty(kept, shard)
        removed = [shard for shard in touched if shard in before and shard not in kept.shards]
        kept.flush_number = batch.flush_number
        kept.alarms.update({name: alarm for name, alarm in batch.alarms.items() if alarm})
        for name in [name for name, alarm in batch.alarms.items() if alarm is None]:
            kept.alarms.pop(name, None)
        if batch.alarm_changed:
            kept.put_off_until_ms = 0
        kept.progress.update(batch.progress)
        kept.progress = {gateway: n for gateway, n in kept.progress.items() if n >= 0}
        kept.holders.update(batch.holders)
        kept.holders = {gateway: address for gateway, address in kept.holders.items() if address}
        changed = [kept.info(shard) for shard in touched if shard in kept.shards]
        return Committed(batch.flush_number, changed, removed, batch.clear, kept.alarm_at_ms())

    def _merge(self, kept: _Space, left: int, right: int) -> None:
        a, b = kept.info(left), kept.info(right)
        if a.key_count + b.key_count > self._limits.shard_fields_max // 2:
            return
        if a.size_bytes + b.size_bytes > self._limits.shard_bytes_max // 2:
            return
        kept.shards[left].update(kept.shards.pop(right))
        del kept.firsts[right]

    def _split(self, kept: _Space, shard: int) -> list[int]:
        """Cut a shard that is past its bounds into halves, and those again. Return the new ones."""
        info = kept.info(shard)
        within = info.key_count <= self._limits.shard_fields_max
        if info.key_count < 2 or (within and info.size_bytes <= self._limits.shard_bytes_max):
            return []
        values = kept.shards[shard]
        upper = sorted(values)[info.key_count // 2 :]
        made = kept.next_shard
        kept.next_shard += 1
        kept.shards[made] = {key: values.pop(key) for key in upper}
        kept.firsts[made] = upper[0]
        return [made, *self._split(kept, shard), *self._split(kept, made)]

    def _drop_if_empty(self, kept: _Space, shard: int) -> None:
        """Remove an empty shard; its range falls to its left neighbour, so not the leftmost."""
        if not kept.shards.get(shard, True) and kept.firsts[shard] != "":
            del kept.shards[shard], kept.firsts[shard]


def _later(answer: _T) -> asyncio.Future[_T]:
    """Hand out what was read at the call; as with a server, not within the same loop turn."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()
    loop.call_soon(_answer, future, answer)
    return future


def _answer(future: asyncio.Future[_T], answer: _T) -> None:
    if not future.done():
        future.set_result(answer)
