"""How much of all rooms' flushes is on its way to the server at once: large ones take turns.

What is sent is held in memory a few times over, and the connection refuses what is too much for
it: a process with many rooms that write much would lose some of them. Small flushes wait for
nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024  # a larger flush goes alone
SMALL_BYTES_MAX = 64 * 1024  # such flushes do not count


class Flight:
    """The large flushes of one process that are on their way."""

    def __init__(self) -> None:
        self._bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def __repr__(self) -> str:
        return f"<Flight of {self._bytes} bytes, {len(self._waiting)} waiting>"

    @asynccontextmanager
    async def place(self, size_bytes: int) -> AsyncIterator[None]:
        """Wait for a turn, first come, first served; it lasts as long as the `async with`."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, turn))
        self._let_go()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._bytes -= size_bytes
            self._let_go()

    def _let_go(self) -> None:
        while self._waiting:
            size_bytes, turn = self._waiting[0]
            if turn.done():  # cancelled
                self._waiting.popleft()
                continue
            if self._bytes and self._bytes + size_bytes > IN_FLIGHT_BYTES_MAX:
                return
            self._waiting.popleft()
            self._bytes += size_bytes
            turn.set_result(None)
