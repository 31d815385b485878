"""The alarm clock of a gateway: wakes rooms whose alarm is due.

A live room has a timer of its own. For all others the clock asks the index of due times and sends
an ALARM event, which the router keeps, and repeats, until the room has handled it. Promise: a
room with an alarm that is due gets an event, again every `TAKEN_S` seconds as long as the index
says so. Nothing is lost with a gateway: what it had taken is due again for the others.
Not here: which alarm is due and what then; only the room knows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection

from ..actors.frames import Kind
from ..actors.messages import RoomKey
from ..storage import AlarmSource, StorageError
from .route import Route
from .router import Router

log = logging.getLogger(__name__)

POLL_S = 0.2
TAKEN_S = 10.0  # a room that was taken is due again after this, unless its alarms have moved
UNKNOWN_S = 60.0  # a room of a party that is not deployed
IN_FLIGHT_MAX = 256  # rooms being woken for an alarm: waking must not hold up the clients' rooms


class AlarmClock:
    """Wakes rooms through a router."""

    def __init__(
        self,
        open_source: Callable[[], Awaitable[AlarmSource]],
        router: Router,
        parties: Callable[[], Collection[str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`open_source` connects to the index; `parties` tells those deployed now."""
        self._open_source = open_source
        self._router = router
        self._parties = parties
        self._clock = clock
        self._source: AlarmSource | None = None
        self._in_flight: dict[RoomKey, Route] = {}
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<AlarmClock {len(self._in_flight)} in flight>"

    def start(self) -> None:
        """Begin to look for alarms."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="alarm clock")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._source is not None:
            await self._source.close()

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
                self._is_failing = False
            except StorageError as error:
                if not self._is_failing:
                    log.warning("alarms are late, as their index cannot be read: %s", error)
                self._is_failing = True
            except Exception:
                log.exception("the alarm clock met an error")
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Send an event to every room with an alarm that is due, as many as may be in flight.

        Raises:
            StorageError: If the index cannot be read.
        """
        if self._source is None:
            self._source = await self._open_source()
        self._in_flight = {k: r for k, r in self._in_flight.items() if r.alarm_pending}
        free = IN_FLIGHT_MAX - len(self._in_flight)
        if free <= 0:
            return
        now_ms = int(self._clock() * 1000)
        # A room counts an alarm as due in the millisecond after its time.
        spaces = await self._source.take_due(
            now_ms - 1, until_ms=now_ms + int(TAKEN_S * 1000), count_max=free
        )
        for space in spaces:
            key = RoomKey.of_space(space)
            if key.party in self._parties():
                self._send(key)
            else:
                log.warning("room %s has an alarm, and its party is not deployed", key)
                await self._source.put_off(space, now_ms + int(UNKNOWN_S * 1000))

    def _send(self, key: RoomKey) -> None:
        route = self._router.route(key)
        if not route.alarm_pending:
            self._router.send(route, Kind.ALARM, 0, b"")
        self._in_flight[key] = route
