"""Who is told by a router what rooms say: the gateway, as far as a router knows it."""

from __future__ import annotations

import asyncio

from parlour.runtime.route import PendingEvent, Route

from ..actors.linked import TIMEOUT_S


class Listener:
    """Keeps what rooms say and which events failed."""

    def __init__(self) -> None:
        self.patient = False
        self.said: list[tuple[int, int, bytes]] = []
        self.failed: list[tuple[bytes, str, bool]] = []
        self._changed = asyncio.Event()

    def on_room_left(self, route: Route) -> None:
        pass

    def on_room_frame(self, route: Route, kind: int, number: int, payload: bytes) -> None:
        self.said.append((kind, number, payload))
        self._changed.set()

    def on_event_failed(
        self, route: Route, event: PendingEvent, why: str, *, try_again: bool
    ) -> None:
        self.failed.append((event.payload, why, try_again))
        self._changed.set()

    async def count(self, said: int = 0, failed: int = 0) -> None:
        """Wait until so much was said and so much has failed."""
        async with asyncio.timeout(TIMEOUT_S):
            while len(self.said) < said or len(self.failed) < failed:
                self._changed.clear()
                await self._changed.wait()
