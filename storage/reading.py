"""Reads from Redis that belong to the moment of their call.

Guarantees. What a read returns is the state at its call: every earlier write shows, no later one
does. That rests on three rules:

1. A read is asked when it is called, with a copy of what was not flushed at that moment laid over
   the answer.
2. A flush is sent only when every read that was called before it was sealed is finished, so a
   later write cannot be in an answer.
3. A flush may move keys to other shards, or give them other field names. A read that was asked
   while a flush was on the wire waits for that flush to land, then asks again for what it may have
   looked for in the wrong place.

Not here: what is known without asking (cache.py), decoding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .backend import Backend, Home, ShardInfo
from .cache import Cache, Known
from .index import ShardIndex
from .key_range import KeyRange
from .limits import StorageLimits

T = TypeVar("T")

# Shards asked for in one step of a long read, so that it does not fill the connection.
SHARDS_PER_STEP_MAX = 512


@dataclass(slots=True)
class AskedKeys:
    """A request for single keys, each where the index had it.

    Attributes:
        during: Done when the flush that was on the wire at asking has landed; None if none was.
    """

    homes: dict[str, Home | None]
    answer: Awaitable[dict[str, bytes | None]]
    during: asyncio.Future[None] | None


@dataclass(slots=True)
class AskedRegion:
    """A request for the shards that cover `part` of a range, all of it."""

    part: KeyRange
    shards: list[ShardInfo]
    answer: Awaitable[dict[int, dict[str, bytes]]]
    during: asyncio.Future[None] | None


class Reader:
    """The reads of one space.

    Attributes:
        running: The tasks of reads that are not finished.
        landing: Set by the flusher while a flush is on the wire; done when it has landed.
    """

    def __init__(
        self,
        backend: Backend,
        space: str,
        cache: Cache,
        index: ShardIndex,
        limits: StorageLimits,
        check_alive: Callable[[], None],
    ) -> None:
        self.running: set[asyncio.Task[Any]] = set()
        self.landing: asyncio.Future[None] | None = None
        self._backend = backend
        self._space = space
        self._cache = cache
        self._index = index
        self._limits = limits
        self._check_alive = check_alive

    def run(self, read: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Finish a read whose first request was asked. Later flushes wait for it."""
        task = asyncio.get_running_loop().create_task(read)
        self.running.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.running.discard(task)
        if not task.cancelled():
            task.exception()  # a read that nobody awaits may fail in silence

    def ask_keys(self, keys: Iterable[str], *, first: bool = True) -> AskedKeys:
        """Ask for single keys. `first`: this is the read's first request, made in its call.

        Before its later requests every flush that was on the wire has landed, by rule 3, and no
        other was sent, by rule 2.
        """
        homes = {key: self._index.home(key) for key in keys}
        wanted: dict[Home, list[str]] = {}
        for key, home in homes.items():
            if home is not None:
                wanted.setdefault(home, []).append(key)
        answer = self._backend.read_fields(self._space, wanted)
        return AskedKeys(homes, answer, self.landing if first else None)

    async def keys(self, asked: AskedKeys) -> dict[str, Known]:
        """Wait for the keys that were asked for; the cache knows them from then on."""
        found: dict[str, Known] = {}
        while True:
            answer = await asked.answer
            await self._settle(asked.during)
            moved = []
            for key, home in asked.homes.items():
                if asked.during is None or self._index.home(key) == home:
                    found[key] = answer.get(key)
                else:
                    moved.append(key)
            if not moved:
                break
            asked = self.ask_keys(moved, first=False)
        self.remember(found, checked=False)
        return found

    def ask_region(
        self, wanted: KeyRange, need: int | None, *, names_only: bool, first: bool = True
    ) -> AskedRegion:
        """Ask for the first shards of a range, as many as hold `need` keys or one step may take."""
        shards = self._index.covering(wanted.low, wanted.high)
        if wanted.reverse:
            shards.reverse()
        chosen = self._step(shards, need)
        part = wanted
        if len(chosen) < len(shards):
            if wanted.reverse:
                part = wanted.between(chosen[-1].first, wanted.high)
            else:
                part = wanted.between(wanted.low, shards[len(chosen)].first)
        homes = [info.home for info in chosen]
        answer: Awaitable[dict[int, dict[str, bytes]]]
        if names_only:
            answer = _NamesAlone(self._backend.read_shard_keys(self._space, homes))
        else:
            answer = self._backend.read_shards(self._space, homes)
        return AskedRegion(part, chosen, answer, self.landing if first else None)

    def _step(self, shards: list[ShardInfo], need: int | None) -> list[ShardInfo]:
        chosen: list[ShardInfo] = []
        count = size_bytes = 0
        for info in shards[:SHARDS_PER_STEP_MAX]:
            if chosen and size_bytes + info.size_bytes > self._limits.read_bytes_max:
                break
            chosen.append(info)
            count += info.key_count
            size_bytes += info.size_bytes
            if need is not None and count >= need:
                break
        return chosen

    async def region(self, asked: AskedRegion) -> dict[str, bytes] | None:
        """Wait for a part of a range; None if a flush moved keys: then it is to be asked again."""
        answer = await asked.answer
        await self._settle(asked.during)
        if asked.during is not None:
            now = self._index.covering(asked.part.low, asked.part.high)
            if {(i.home, i.first) for i in now} != {(i.home, i.first) for i in asked.shards}:
                return None
        low, high = asked.part.low, asked.part.high
        entries = (entry for values in answer.values() for entry in values.items())
        if high is None:
            return {key: data for key, data in entries if low <= key}
        return {key: data for key, data in entries if low <= key < high}

    def remember(self, found: Mapping[str, Known], *, checked: bool) -> None:
        """Let the cache know what was read."""
        if not self._cache.complete:  # else `delete_all` came in between and it is all gone
            self._cache.remember(found, checked=checked)
            self._cache.exist(self._index.key_count)

    async def _settle(self, during: asyncio.Future[None] | None) -> None:
        """Wait until the flush that was on the wire has landed, so that the index shows it."""
        if during is not None and not during.done():
            await asyncio.wait([during])
        self._check_alive()


class _NamesAlone(Awaitable[dict[int, dict[str, bytes]]]):
    """Keys of shards in the form of keys with values."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Awaitable[dict[int, list[str]]]) -> None:
        self._answer = answer

    def __await__(self) -> Generator[Any, None, dict[int, dict[str, bytes]]]:
        names = yield from self._answer.__await__()
        return {shard: dict.fromkeys(keys, b"") for shard, keys in names.items()}
