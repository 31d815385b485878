"""Whose transaction it is: those of a space run one after another."""

from __future__ import annotations

import asyncio


class Turns:
    """The turns of one space.

    Attributes:
        taken: Outermost transactions that are open: 0 or 1.
    """

    def __init__(self) -> None:
        self.taken = 0
        self._one_at_a_time = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Turns {'taken' if self.taken else 'free'}>"

    async def take(self) -> None:
        """Wait for the turn of an outermost transaction."""
        await self._one_at_a_time.acquire()
        self.taken += 1

    def give_back(self) -> None:
        """Let the next outermost transaction begin."""
        self.taken -= 1
        self._one_at_a_time.release()

    async def free(self) -> None:
        """Wait until no transaction is open, or none was for a moment."""
        async with self._one_at_a_time:
            pass
