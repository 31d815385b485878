"""Ranges of keys: from memory where everything is known, else from the shards they touch."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any

from .awaitables import Ready
from .cache import UNKNOWN, Known
from .key_range import KeyRange
from .reading import AskedRegion
from .space import Space
from .view import View


def list_values(
    space: Space, view: View, wanted: KeyRange, *, keep: bool = True
) -> Awaitable[dict[str, Any]]:
    """List keys and values of a range. `keep`: the cache may keep what is read."""
    if wanted.empty:
        return Ready({})
    names = _names_at_hand(space, view, wanted)
    if names is not None:
        return Ready(space.decode_all_known([_at_hand(view, name) for name in names]))
    listing = _Listing(space, wanted, view.overlay(wanted.low, wanted.high)[0], names_only=False)
    return space.reader.run(listing.values(listing.ask(), keep))


def list_names(space: Space, view: View, wanted: KeyRange) -> Awaitable[list[str]]:
    """List the keys of a range without reading values."""
    if wanted.empty:
        return Ready([])
    names = _names_at_hand(space, view, wanted)
    if names is not None:
        return Ready(names)
    listing = _Listing(space, wanted, view.overlay(wanted.low, wanted.high)[0], names_only=True)
    return space.reader.run(listing.names(listing.ask()))


def _names_at_hand(space: Space, view: View, wanted: KeyRange) -> list[str] | None:
    """List keys without asking Redis; None if that cannot be done."""
    if view is space:
        if not space.cache.complete:
            return None
        return space.cache.names(wanted)
    overlay, hides_all = view.overlay(wanted.low, wanted.high)
    if not hides_all and not space.cache.complete:
        return None
    without_limit = replace(wanted, limit=None)
    names = set() if hides_all else set(space.cache.names(without_limit))
    return wanted.select(_merged(names, overlay))


def _merged(names: set[str], overlay: dict[str, Known]) -> list[str]:
    for name, data in overlay.items():
        if data is None:
            names.discard(name)
        else:
            names.add(name)
    return sorted(names)


def _at_hand(view: View, name: str) -> tuple[str, bytes]:
    data = view.lookup(name)
    assert data is not None
    assert data is not UNKNOWN
    return name, data


@dataclass(slots=True)
class _Listing:
    """A range being read from Redis, step by step, with what was not flushed laid over it."""

    space: Space
    wanted: KeyRange
    overlay: dict[str, Known]
    names_only: bool

    def ask(self) -> AskedRegion:
        """Ask for the first step: in the call, so that the answer belongs to that moment."""
        return self._ask(self.wanted, self.wanted.limit, first=True)

    async def names(self, asked: AskedRegion) -> list[str]:
        """Wait for the keys that were asked for."""
        return [name for name, _ in await self._entries(asked)]

    async def values(self, asked: AskedRegion, keep: bool) -> dict[str, Any]:
        """Wait for the keys and values that were asked for."""
        space, overlay = self.space, self.overlay
        entries = await self._entries(asked)
        values = space.decode_all(entries, overlay.__contains__)
        if keep:
            read: dict[str, Known] = {name: data for name, data in entries if name not in overlay}
            space.reader.remember(read, checked=True)
        return values

    async def _entries(self, asked: AskedRegion) -> list[tuple[str, bytes]]:
        entries: list[tuple[str, bytes]] = []
        left, most = self.wanted, self.wanted.limit
        while True:
            found = await self.space.reader.region(asked)
            if found is not None:
                entries += self._laid_over(found, asked.part, most)
                if self.wanted.limit is not None:
                    most = self.wanted.limit - len(entries)
                rest = left.beyond(asked.part)
                if rest is None or most == 0:
                    return entries
                left = rest
            asked = self._ask(left, most, first=False)

    def _ask(self, left: KeyRange, most: int | None, *, first: bool) -> AskedRegion:
        need = most
        if need is not None:  # each unflushed deletion may hide one of the keys that are found
            need += sum(data is None and left.holds(name) for name, data in self.overlay.items())
        return self.space.reader.ask_region(left, need, names_only=self.names_only, first=first)

    def _laid_over(
        self, found: dict[str, bytes], part: KeyRange, most: int | None
    ) -> list[tuple[str, bytes]]:
        for name, data in self.overlay.items():
            if data is None:
                found.pop(name, None)
            elif part.holds(name):
                found[name] = data
        names = sorted(found, reverse=part.reverse)
        return [(name, found[name]) for name in names[:most]]
