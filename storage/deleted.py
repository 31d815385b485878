"""What a delete returns: it counts when called, and tells what existed if that is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, Generic, TypeVar

from .awaitables import Ready
from .cache import UNKNOWN, Found
from .reading import AskedKeys, Reader
from .space import Space

T = TypeVar("T")


def deleted(
    space: Space, before: Mapping[str, Found], of_count: Callable[[int], T]
) -> Awaitable[T]:
    """Make what a delete returns, from what lookups of its keys found before it.

    Only Redis can tell for keys that were unknown. It is asked when that is awaited, and at the
    latest before the flush that deletes them is sealed, if anybody still holds the awaitable.
    """
    unknown = [key for key, found in before.items() if found is UNKNOWN]
    known = sum(found is not None and found is not UNKNOWN for found in before.values())
    if not unknown:
        return Ready(of_count(known))
    return _Existed(space, unknown, known, of_count)


class _Existed(Awaitable[T], Generic[T]):
    __slots__ = ("__weakref__", "_known_count", "_of_count", "_reading", "_space", "_unknown")

    def __init__(
        self, space: Space, unknown: list[str], known_count: int, of_count: Callable[[int], T]
    ) -> None:
        self._space = space
        self._unknown = unknown
        self._known_count = known_count
        self._of_count = of_count
        self._reading: asyncio.Task[int] | None = None
        space.flusher.before_seal.add(self)

    def before_seal(self) -> None:
        """Ask now, if that was not done: the next flush changes what is there."""
        if self._reading is None:
            reader = self._space.reader
            self._reading = reader.run(_count(reader, reader.ask_keys(self._unknown)))

    def __await__(self) -> Generator[Any, None, T]:
        self.before_seal()
        assert self._reading is not None
        return self._of_count(self._known_count + (yield from self._reading.__await__()))


async def _count(reader: Reader, asked: AskedKeys) -> int:
    found = await reader.keys(asked)
    return sum(data is not None for data in found.values())
