"""The calls that go through a range of keys, on storage and inside a transaction alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any, Never, TypeAlias

from . import listing
from .errors import InvalidArgument
from .key_range import KeyRange, check_limit
from .space import Space
from .view import View

_Names: TypeAlias = list[str]  # inside the class `list` is the call


class RangeOperations(ABC):
    """Ranges are in the order of the keys' UTF-8 bytes."""

    _space: Space

    @abstractmethod
    def _view(self, operation: str) -> View:
        """Give what `operation` works on, or raise why it cannot."""

    def list(
        self,
        *by_position: Never,
        start: str | None = None,
        start_after: str | None = None,
        end: str | None = None,
        prefix: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Awaitable[dict[str, Any]]:
        """Read a range of keys with their values, in key order.

        The range is `start` <= key < `end`, or `start_after` < key < `end`, and within `prefix`
        if that is given. `reverse` goes downwards, and `limit` then counts from the upper end;
        `start` and `end` keep their meaning. Bounds are places in the order of the keys and need
        be no keys: `start=last + "\\0"` goes on behind a key of any length. Without a limit all of
        the range is in memory at once: see `scan`.

        Raises:
            InvalidArgument: If a bound is no string, `start` and `start_after` are both given, or
                `limit` is not a positive integer.
            InvalidKey: If a bound holds half a surrogate pair.
        """
        _refuse_positions("list()", by_position)
        wanted = KeyRange.of(
            start=start,
            start_after=start_after,
            end=end,
            prefix=prefix,
            reverse=reverse,
            limit=limit,
        )
        return listing.list_values(self._space, self._view("list"), wanted)

    def keys(
        self,
        *by_position: Never,
        start: str | None = None,
        start_after: str | None = None,
        end: str | None = None,
        prefix: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Awaitable[_Names]:
        """Read the keys of a range, as `list` does, without reading values."""
        _refuse_positions("keys()", by_position)
        wanted = KeyRange.of(
            start=start,
            start_after=start_after,
            end=end,
            prefix=prefix,
            reverse=reverse,
            limit=limit,
            call="keys()",
        )
        return listing.list_names(self._space, self._view("keys"), wanted)

    def scan(
        self,
        *by_position: Never,
        start: str | None = None,
        start_after: str | None = None,
        end: str | None = None,
        prefix: str | None = None,
        reverse: bool = False,
        page: int = 128,
    ) -> AsyncIterator[tuple[str, Any]]:
        """Go through a range that may not fit memory: `async for key, value in storage.scan()`.

        Reads `page` keys at a time. Each page is the state when it is read: what is written
        meanwhile shows if it lies ahead.

        Raises:
            InvalidArgument, InvalidKey: At the call, as `list` does.
        """
        _refuse_positions("scan()", by_position)
        check_limit("scan()", "page", page)
        wanted = KeyRange.of(
            start=start,
            start_after=start_after,
            end=end,
            prefix=prefix,
            reverse=reverse,
            limit=page,
            call="scan()",
        )
        return self._pages(wanted, page)

    async def _pages(self, wanted: KeyRange, page: int) -> AsyncIterator[tuple[str, Any]]:
        left: KeyRange | None = wanted
        while left is not None:
            values = await listing.list_values(self._space, self._view("scan"), left, keep=False)
            for item in values.items():
                yield item
            if len(values) < page:
                return
            last = next(reversed(values))
            left = replace(left, high=last) if wanted.reverse else replace(left, low=last + "\0")


def _refuse_positions(call: str, given: tuple[object, ...]) -> None:
    if given:
        problem = f"takes its bounds by name, as in prefix=..., and was given {given[0]!r:.80}"
        raise InvalidArgument(call, problem)
