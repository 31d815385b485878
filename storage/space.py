"""A claimed space: cache, index, reads and flushes put together, and the view of all its keys."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from typing import Any

from .admission import check_room
from .alarms import Alarm
from .awaitables import DONE
from .backend import Backend, Claim
from .cache import Cache, Found, Known
from .codec import decode
from .errors import DecodeError, StorageError
from .flush import Flusher
from .index import ShardIndex
from .limits import StorageLimits
from .turns import Turns


class Space:
    """The storage of one room in encoded form: a `View` that flushes what is written to it."""

    def __init__(
        self,
        backend: Backend,
        claim: Claim,
        limits: StorageLimits,
        *,
        progress: Callable[[], Mapping[str, int]] | None,
        holders: Callable[[], Mapping[str, str]] | None,
        on_durable: Callable[[], None] | None,
        on_failed: Callable[[StorageError], None] | None,
    ) -> None:
        self.name = claim.space
        self._epoch = claim.epoch
        self._writings = itertools.count()
        self.limits = limits
        self.cache = Cache(limits.cache_bytes_max, claim.values)
        self.index = ShardIndex(claim.shards)
        self.flusher = Flusher(
            backend,
            claim,
            self.cache,
            self.index,
            limits,
            progress=progress,
            holders=holders,
            on_durable=on_durable,
            on_failed=on_failed,
        )
        self.reader = self.flusher.reader
        self.turns = Turns()
        self.lookup: Callable[[str], Found] = self.cache.lookup

    @property
    def alarms(self) -> Mapping[str, Alarm]:
        return self.flusher.alarms

    def overlay(self, low: str, high: str | None) -> tuple[dict[str, Known], bool]:
        return self.cache.unflushed(low, high), False

    def write(self, entries: Mapping[str, Known], *, confirm: bool) -> None:
        cache = self.cache
        large_bytes = cache.unflushed_large_bytes
        check_room(self.limits, entries, cache.unflushed_bytes - large_bytes, large_bytes)
        for key, data in entries.items():
            cache.write(key, data)
        self.flusher.touched(confirm=confirm)

    def clear(self, *, confirm: bool) -> None:
        self.cache.clear()
        for name in list(self.flusher.alarms):
            self.flusher.set_alarm(name, None)
        self.flusher.touched(confirm=confirm)

    def set_alarm(self, name: str, alarm: Alarm | None, *, confirm: bool) -> None:
        self.flusher.set_alarm(name, alarm)
        self.flusher.touched(confirm=confirm)

    def next_writing(self) -> tuple[int, int]:
        """What tells a writing of a large value from every other, also of other claims."""
        return self._epoch, next(self._writings)

    def written(self) -> Awaitable[None]:
        """Make what a write returns: something that waits while too much is unflushed."""
        if self.cache.unflushed_bytes <= self.limits.dirty_bytes_max:
            return DONE
        return _Pressure(self.flusher)

    def decode(self, key: str, data: bytes, *, trusted: bool) -> Any:
        """Decode what is stored at `key`. `trusted`: this process has encoded or decoded it.

        Raises:
            DecodeError: If it is not an encoded value; names the key.
        """
        try:
            return decode(data, trusted=trusted)
        except DecodeError as error:
            error.key = key
            raise

    def decode_known(self, key: str, data: bytes) -> Any:
        """Decode what a lookup of `key` found."""
        cache = self.cache
        if cache.trusted(key):
            return self.decode(key, data, trusted=True)
        value = self.decode(key, data, trusted=False)
        cache.checked(key, data)
        return value

    def decode_all(
        self, entries: Iterable[tuple[str, bytes]], trusted: Callable[[str], bool]
    ) -> dict[str, Any]:
        """Decode many as `decode` does one."""
        values: dict[str, Any] = {}
        key = ""
        try:
            for key, data in entries:
                values[key] = decode(data, trusted=trusted(key))
        except DecodeError as error:
            error.key = key
            raise
        return values

    def decode_all_known(self, entries: list[tuple[str, bytes]]) -> dict[str, Any]:
        """Decode what lookups found."""
        values = self.decode_all(entries, self.cache.trusted)
        self.cache.checked_all(entries)
        return values


class _Pressure(Awaitable[None]):
    """Awaiting it waits until less is unflushed; dropping it is fine."""

    __slots__ = ("_flusher",)

    def __init__(self, flusher: Flusher) -> None:
        self._flusher = flusher

    def __await__(self) -> Generator[Any, None, None]:
        return self._flusher.below_dirty_limit().__await__()
