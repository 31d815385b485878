"""The storage of the rooms under test: the one in memory, whose commits a test can hold back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..storage import MemoryBackend
from ..storage.backend import Batch, Committed


class HeldBackend(MemoryBackend):
    """A `MemoryBackend` that commits when it may."""

    def __init__(self) -> None:
        super().__init__()
        self._may_commit = asyncio.Event()
        self._may_commit.set()

    def hold(self) -> None:
        """No flush is committed from now on."""
        self._may_commit.clear()

    def go_on(self) -> None:
        """Flushes are committed, those that wait too."""
        self._may_commit.set()

    async def commit(self, batch: Batch) -> Committed:
        await self._may_commit.wait()
        return await super().commit(batch)


class NoLease:
    """A process that nobody can take for dead: it is the test's own."""

    def __init__(self, url: str, owner: str, address: str, on_lost: Callable[[], None]) -> None:
        self.owner = owner
        self.valid = False

    def start(self) -> None:
        self.valid = True

    def lose(self) -> None:
        """Nothing can take it away."""

    def start_over(self) -> None:
        self.valid = True

    def speak(self) -> bool:
        return self.valid

    def stop(self) -> None:
        self.valid = False
