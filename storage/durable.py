"""What is durable of a space, read without a claim: beside its owner, or while there is none.

Guarantees. What one call returns, and each page, is the state at one moment, whatever the owner
does meanwhile; so is a large value. `is_one_state` tells whether all that was read so far is. A
read takes no part in the owner's order: what he has not flushed is not in it. Nothing is written.
Not here: decoding (codec.py), writing (storage.py, by right of a claim).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from . import keys
from .backend import Home, ShardInfo
from .errors import DecodeError, StorageError
from .index import ShardIndex
from .inspection import Inspector, SpaceState
from .key_range import RESERVED, KeyRange
from .large_names import head_of, joined, large_key, names_of
from .redis_connection import RedisClient
from .redis_replies import keys_of, values_of

PAGE_BYTES_MAX = 4 * 1024 * 1024  # a page ends with the shard that goes past it
PAGE_SHARDS_MAX = 64
LOOKS_MAX = 100  # in a row, for an index that has changed again

_ALL, _NAMES = -1, -2  # see read_shards.lua


class DurableSpace:
    """A space as its server has it. Made by `look`.

    Attributes:
        state: How it stood when it was looked at first.
    """

    def __init__(self, connection: RedisClient, state: SpaceState) -> None:
        self.state = state
        self._inspector = Inspector(connection)
        self._read_shards = connection.script("read_shards")
        self._flushes = [state.metadata.flush_number]  # the oldest and the newest of all reads
        self._learn(state)

    @classmethod
    async def look(cls, connection: RedisClient, space: str) -> DurableSpace | None:
        """Look at a space; None if there is none of that name."""
        state = await Inspector(connection).state(space)
        return None if state is None else cls(connection, state)

    @property
    def flush_number(self) -> int:
        """The newest flush that was in anything read so far."""
        return max(self._flushes)

    @property
    def is_one_state(self) -> bool:
        """Whether no flush came between the first look and the newest read."""
        return min(self._flushes) == max(self._flushes)

    async def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Read keys at one moment, encoded; those that exist."""
        for _ in range(LOOKS_MAX):
            if not len(self._index):
                # The first shard begins without a sign that the script could look for.
                flush_number = await self._look_again()
                if not len(self._index):
                    self._note(flush_number)
                    return {}
            wanted: dict[Home, list[str]] = {}
            for name in names:
                home = self._index.home(name)
                if home is not None:
                    there = wanted.setdefault(home, [])
                    if name.startswith(home.prefix):  # else it is not there; the prefix is checked
                        there.append(name)
            infos = {info.shard: info for info in self._index.covering("", None)}
            asked = [
                (infos[home.shard], len(there), [name[len(home.prefix) :] for name in there])
                for home, there in wanted.items()
            ]
            answers = await self._ask(asked)
            if answers is not None:
                found: dict[str, bytes] = {}
                for fields, answer in zip(wanted.values(), answers, strict=True):
                    found.update((n, d) for n, d in zip(fields, answer, strict=True) if d)
                return found
        raise self._too_fast()

    async def pages(self, wanted: KeyRange) -> AsyncIterator[dict[str, bytes]]:
        """Read a range of keys with their encoded values, page by page, in key order."""
        left = wanted.limit
        async for part, answers in self._parts(wanted, _ALL):
            entries = (item for home, flat in answers for item in values_of(home, flat).items())
            page = sorted(item for item in entries if part.holds(item[0]))[:left]
            if page:
                yield dict(page)
            if left is not None:
                left -= len(page)
                if not left:
                    return

    async def large_keys(self) -> AsyncIterator[str]:
        """Name the large values, in no particular order."""
        async for part, answers in self._parts(KeyRange(RESERVED, None), _NAMES):
            for name in (name for home, fields in answers for name in keys_of(home, fields)):
                key = large_key(name) if part.holds(name) else None
                if key is not None:
                    yield key

    async def read_large(self, key: str) -> bytes | None:
        """Read a large value, encoded; None if there is none.

        Raises:
            DecodeError: If pieces of it are missing.
        """
        head_name = head_of(key)
        head = (await self.read([head_name])).get(head_name)
        for _ in range(LOOKS_MAX):
            if head is None:
                return None
            found = await self.read([head_name, *names_of(key, head)])
            if found.get(head_name) == head:
                return joined(key, found)
            head = found.get(head_name)  # it was written anew since
        raise self._too_fast()

    async def _parts(
        self, wanted: KeyRange, fields: int
    ) -> AsyncIterator[tuple[KeyRange, Iterable[tuple[Home, list[bytes]]]]]:
        """Ask for a range in parts that the index shows to be small enough, in key order."""
        low = wanted.low
        refused = 0
        while wanted.high is None or low < wanted.high:
            shards = self._index.covering(low, wanted.high)
            chosen = _first_page(shards)
            if not chosen:
                return
            answers = await self._ask([(info, fields, []) for info in chosen])
            if answers is None:
                refused += 1
                if refused == LOOKS_MAX:
                    raise self._too_fast()
                continue
            refused = 0
            following = shards[len(chosen) :]
            high = following[0].first if following else wanted.high
            yield KeyRange(low, high), zip((info.home for info in chosen), answers, strict=True)
            if high is None:
                return
            low = high

    async def _ask(self, asked: Iterable[tuple[ShardInfo, int, list[str]]]) -> list[Any] | None:
        """Ask for shards; None if the index has changed: it is known anew then."""
        arguments: list[bytes | str | int] = [*self._signs]
        for info, count, fields in asked:
            arguments += (info.shard, info.prefix, info.first, count, *fields)
        name = keys.metadata_key(self.state.space)
        answer = await self._read_shards([name], arguments, repeat=True)
        if answer:
            self._note(answer[0])
            return list(answer[1:])
        await self._look_again()
        return None

    async def _look_again(self) -> int:
        """Learn the index as it is now. Tell its flush."""
        state = await self._inspector.state(self.state.space)
        if state is None:
            raise DecodeError("the room was deleted while it was read")
        self._learn(state)
        return state.metadata.flush_number

    def _learn(self, state: SpaceState) -> None:
        self._index = ShardIndex(state.shards)
        self._signs = (state.metadata.next_shard, state.metadata.deleted_epoch)

    def _note(self, flush_number: int) -> None:
        """Remember of which flush an answer was."""
        self._flushes = [min(*self._flushes, flush_number), max(*self._flushes, flush_number)]

    def _too_fast(self) -> StorageError:
        return StorageError(
            f"{self.state.space} changes faster than it can be read: its keys have moved "
            f"{LOOKS_MAX} times; try again, or hibernate the room first"
        )


def _first_page(shards: Sequence[ShardInfo]) -> Sequence[ShardInfo]:
    size_bytes = 0
    for count, info in enumerate(shards[:PAGE_SHARDS_MAX], 1):
        size_bytes += info.size_bytes
        if size_bytes >= PAGE_BYTES_MAX:
            return shards[:count]
    return shards[:PAGE_SHARDS_MAX]
