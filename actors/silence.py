"""What a process does when its lease runs out: it falls silent, and goes on where it was if it may.

Others may take its rooms over from that moment on, so nothing leaves the process any more: links
keep what is written to them, rooms begin no further event. Then it takes a lease under another
name and claims each room anew, which is granted only where nobody else has had the room meanwhile.
Those rooms go on, and what they had to say leaves then, in order: a server that was silent for some
seconds costs a pause and nothing else. The others are lost, and their clients are closed with a
code if anything meant for them was dropped (`unsaid.py`).

Bounded. After `SILENCE_S_MAX`, or when more than `UNSENT_BYTES_MAX` is held, everything is let go:
gateways are told that the rooms are not here, and look for them elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection
from typing import Protocol

from .lease import RETRY_S, UNREACHABLE
from .link import Link
from .live_room import LiveRoom
from .repeats import Repeats

log = logging.getLogger(__name__)

# A process that alone cannot reach the server keeps its rooms from others for as long.
SILENCE_S_MAX = 10.0
UNSENT_BYTES_MAX = 64 * 1024 * 1024  # of all links together
CLEARING_TIMEOUT_S = 10.0  # for rooms to be gone after they were let go
STOPPING_TIMEOUT_S = 2.0  # likewise, where the process ends anyway


class ProcessLease(Protocol):
    """What shows that this process is alive: a `Lease`."""

    owner: str

    @property
    def valid(self) -> bool: ...

    def start(self) -> None: ...

    def lose(self) -> None: ...

    def start_over(self) -> None: ...

    def speak(self) -> bool: ...

    def stop(self) -> None: ...


class Process(Protocol):
    """Whose silence it is."""

    @property
    def rooms(self) -> Collection[LiveRoom]: ...

    @property
    def links(self) -> Collection[Link]: ...

    def speak(self) -> None: ...


class Silence:
    """The silence of one process: none at first."""

    def __init__(
        self, process: Process, lease: ProcessLease, on_new_owner: Callable[[str], None]
    ) -> None:
        """`on_new_owner` is told under what name rooms are claimed from now on."""
        self._process = process
        self._lease = lease
        self._on_new_owner = on_new_owner
        self._task: asyncio.Task[None] | None = None
        self._repeats = Repeats()
        self.is_on = False
        self.count = 0

    def __repr__(self) -> str:
        return f"<Silence {'on' if self.is_on else 'off'}, {self._lease!r}>"

    def may_leave(self) -> bool:
        """Whether what this process says counts; asked before anything leaves it."""
        if self._lease.valid:
            return True
        self.begin()
        return False

    def begin(self) -> None:
        """Fall silent, and try to go on."""
        if self.is_on:
            return
        self.is_on = True
        self.count += 1
        self._lease.lose()
        rooms = list(self._process.rooms)
        log.warning("the lease has run out: %d rooms pause until there is another", len(rooms))
        for room in rooms:
            room.pause()
        self._task = asyncio.get_running_loop().create_task(self._end_it())

    async def _end_it(self) -> None:
        give_up_s = time.monotonic() + SILENCE_S_MAX
        while True:
            if await self._take_lease():
                await self._claim_rooms(give_up_s)
                if self._lease.speak():
                    self._go_on()
                    return
            if self._process.rooms and self._is_too_much(give_up_s):
                self._let_go()
                await self._cleared()

    async def _take_lease(self) -> bool:
        try:
            await asyncio.to_thread(self._lease.start_over)
        except UNREACHABLE as error:
            added = self._repeats.failed()
            if added is not None:
                log.info("no new lease can be had yet: %s%s", error, added)
            await asyncio.sleep(RETRY_S)
            return False
        self._repeats.succeeded()
        self._on_new_owner(self._lease.owner)
        return True

    async def _claim_rooms(self, give_up_s: float) -> None:
        owner = self._lease.owner
        claims = [
            asyncio.ensure_future(room.claim_again(owner)) for room in list(self._process.rooms)
        ]
        if claims:
            patience_s = max(0.0, give_up_s - time.monotonic())
            _, late = await asyncio.wait(claims, timeout=patience_s)
            for claim in late:
                claim.cancel()
            if late:
                self._let_go()
                await self._cleared()

    def _go_on(self) -> None:
        self.is_on = False
        for room in list(self._process.rooms):
            room.resume()
        self._process.speak()
        log.info("there is a lease again: %d rooms go on", len(self._process.rooms))

    def _is_too_much(self, give_up_s: float) -> bool:
        unsent_bytes = sum(link.unsent_bytes for link in self._process.links)
        return time.monotonic() >= give_up_s or unsent_bytes > UNSENT_BYTES_MAX

    async def stop(self) -> None:
        """The process ends: what is silent is let go."""
        if self._task is not None:
            self._task.cancel()
        if self.is_on:
            self._let_go()
            endings = [asyncio.ensure_future(room.ended()) for room in self._process.rooms]
            if endings:
                await asyncio.wait(endings, timeout=STOPPING_TIMEOUT_S)

    def _let_go(self) -> None:
        for room in list(self._process.rooms):
            room.lose("the lease of its process ran out")

    async def _cleared(self) -> None:
        # Only when no room of the old lease is left may the process speak again.
        give_up_s = time.monotonic() + CLEARING_TIMEOUT_S
        while rooms := list(self._process.rooms):
            await asyncio.wait(
                [asyncio.ensure_future(room.ended()) for room in rooms],
                timeout=max(0.0, give_up_s - time.monotonic()),
            )
            if self._process.rooms and time.monotonic() >= give_up_s:
                log.error("hooks of %s do not end: this process does", rooms)
                os._exit(1)  # it may not speak any more, and will never be able to again
