"""The time that rooms see while they are tested: it goes on as ever, and a test can turn it on.

Turned are both clocks, so that they never disagree: that of the event loop, by which timeouts,
alarms and `asyncio.sleep` wait, and the time of day of the whole process.
The loop is asked as well what is going on in it, to tell when nothing is: see `Clock.rest`.
Not turned: `time.monotonic`, by which other libraries measure.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import time_machine

from ..actors.watch import current_room

QUIET_TURNS = 8  # of the loop, in a row, that nothing but `rest` asked for
PAUSE_S = 0.001  # for what is on its way through the kernel
BUSY_S_MAX = 20.0  # of real time that rooms may be at work until they come to rest

# True where Parlour's own parts are at work, whose looks every now and then no test waits for.
in_machinery: ContextVar[bool] = ContextVar("in_machinery", default=False)


class NotAsyncio(Exception):
    """The tests run in an event loop whose time cannot be turned."""


class Clock:
    """The time of the running event loop and of the process, from `start` to `stop`."""

    def __init__(self, now: datetime | None = None) -> None:
        """`now` is the time of day to start from; the real one if it is None."""
        self._travel = time_machine.travel(now.timestamp() if now else time.time(), tick=True)
        self._turned_s = 0.0
        self._activity = 0  # callbacks that somebody has asked for
        self._jobs: set[asyncio.Future[Any]] = set()  # in threads
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._resting: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Clock, turned on by {self._turned_s:g} s>"

    def start(self) -> None:
        """Take over the time.

        Raises:
            NotAsyncio: If the running loop is not one of asyncio's own.
        """
        self._loop = loop = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.BaseEventLoop):
            raise NotAsyncio(
                f"parlour.testing turns the clock of asyncio's own event loops, not of {loop!r}; "
                "run these tests without a loop policy or factory of another library"
            )
        self._real_time = loop.time
        real_soon, real_at, real_job = loop.call_soon, loop.call_at, loop.run_in_executor

        def call_soon(*args: Any, **named: Any) -> asyncio.Handle:
            self._activity += 1
            return real_soon(*args, **named)

        def call_at(when: float, *args: Any, **named: Any) -> asyncio.TimerHandle:
            self._activity += 1
            handle = real_at(when, *args, **named)
            # Of a room, also where a part of Parlour has had it started.
            if current_room.get() is not None or not in_machinery.get():
                heapq.heappush(self._timers, (when, next(self._numbers), handle))
            return handle

        def run_in_executor(*args: Any) -> asyncio.Future[Any]:
            job = real_job(*args)
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)
            return job

        # On this one loop and until `stop`: the loop itself, tasks and timeouts look them up here.
        vars(loop).update(
            time=self.time, call_soon=call_soon, call_at=call_at, run_in_executor=run_in_executor
        )
        self._travelling = self._travel.start()

    def stop(self) -> None:
        """Give the time back; timers of the loop that are left are not early by that."""
        for name in ("time", "call_soon", "call_at", "run_in_executor"):
            vars(self._loop).pop(name, None)
        self._travel.stop()

    def time(self) -> float:
        """Seconds on the loop's clock."""
        return self._real_time() + self._turned_s

    def turn_to(self, moment_s: float) -> None:
        """Have it be that time of the loop's clock; what is due is done when the loop turns."""
        missing_s = moment_s - self.time()
        if missing_s > 0:
            self._turned_s += missing_s
            self._travelling.shift(missing_s)

    def next_timer(self) -> float | None:
        """When the first timer is due that is not one of Parlour's own parts."""
        timers, now_s = self._timers, self.time()
        while timers and (timers[0][2].cancelled() or timers[0][0] <= now_s):
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    async def rest(self, is_waiting: Callable[[], bool]) -> None:
        """Return once nothing is left to be done but to wait for a time, or for somebody else.

        `is_waiting` tells whether something is about to happen that only time shows.

        Raises:
            AssertionError: If that takes longer than `BUSY_S_MAX`.
        """
        if self._resting is None or self._resting.done():
            self._resting = self._loop.create_task(self._rest(is_waiting))
        # One for all who ask: each would take the looks of the others for something going on.
        await asyncio.shield(self._resting)

    async def _rest(self, is_waiting: Callable[[], bool]) -> None:
        give_up_s = time.monotonic() + BUSY_S_MAX
        paused = False
        while True:
            if not await self._is_quiet() or self._jobs or is_waiting():
                paused = False
            elif paused:
                return
            else:
                paused = True
            if time.monotonic() > give_up_s:
                raise AssertionError(f"the rooms did not come to rest within {BUSY_S_MAX:g} s")
            await asyncio.sleep(PAUSE_S)

    async def _is_quiet(self) -> bool:
        for _ in range(QUIET_TURNS):
            before = self._activity
            await asyncio.sleep(0)
            if self._activity > before + 1:  # the one is this task's own
                return False
        return True
