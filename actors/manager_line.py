"""A room actor's line to the hibernation manager of its node.

The room actor reports over it what its rooms do and shows what operators follow; back come orders.
A manager that died is waited for while the rooms go on. When it does not come back nobody could
ever end this process, so it ends itself. What is done about a room is the room actor's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

from . import messages
from .frames import Kind, pack
from .link import Link, connect
from .messages import Hello, Leave, Report
from .tasks import Tasks
from .watch import SEND_S, Watch, Watching

log = logging.getLogger(__name__)

MANAGER_PATIENCE_S = 20.0  # for a manager that died to be back
MANAGER_RETRY_S = 0.2


class Managed(Protocol):
    """Whose line it is: the room actor."""

    @property
    def stopping(self) -> bool:
        """Whether it is ending, and needs no manager any more."""

    def hello(self) -> Hello:
        """How it introduces itself."""

    def report(self) -> Report:
        """What its rooms do now, and what it has not reported yet."""

    def obey(self, order: Leave) -> None:
        """A room has to leave, or to start over."""

    async def stop(self, reason: str) -> None:
        """Let every room leave in good order, then end."""


class ManagerLine:
    """The link to the manager, opened again when it was lost."""

    def __init__(self, address: str, actor: Managed, watch: Watch) -> None:
        self._address = address
        self._actor = actor
        self._watch = watch
        self._link: Link | None = None
        self._report_due = False
        self._showing: asyncio.Task[None] | None = None  # while somebody follows
        self._tasks = Tasks("the line to the hibernation manager")

    def __repr__(self) -> str:
        return f"<ManagerLine{'' if self.linked else ', down'}>"

    @property
    def linked(self) -> bool:
        """Whether the manager is there."""
        return self._link is not None

    async def open(self) -> None:
        """Meet the manager, and report.

        Raises:
            OSError: If it is not there.
        """
        self._link = await connect(
            self._address, self._actor.hello(), self._on_frame, self._on_lost
        )
        self.report()

    def close(self) -> None:
        """Say what is left, then end the link."""
        if self._link is not None:
            self._link.close()

    # To the manager

    def report(self) -> None:
        """Report now; while there is no manager nothing is, and the next one hears it."""
        self._report_due = False
        if self._link is not None:
            self._link.write(pack(Kind.REPORT, payload=messages.encode(self._actor.report())))

    def flush(self) -> None:
        """Send now what waits for the end of this turn of the event loop."""
        if self._link is not None:
            self._link.flush()

    def report_soon(self) -> None:
        """Report once for everything that changes in this turn of the loop."""
        if not self._report_due:
            self._report_due = True
            asyncio.get_running_loop().call_soon(self.report)

    async def _keep_showing(self) -> None:
        while self._watch.on and not self._actor.stopping:
            # What the manager does not read in time is dropped where it is counted.
            if self._link is not None and not self._link.paused:
                batch = self._watch.take()
                if batch is not None:
                    self._link.write(pack(Kind.SEEN, payload=messages.encode(batch)))
            await asyncio.sleep(SEND_S)

    # From the manager

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.HIBERNATE:
            self._actor.obey(messages.decode(payload, Leave))
        elif kind == Kind.WATCH:
            self._watch_from_now_on(messages.decode(payload, Watching))
        elif kind == Kind.EXIT:
            self._tasks.spawn(self._actor.stop(payload.decode()))

    def _watch_from_now_on(self, watching: Watching) -> None:
        self._watch.set(watching)
        if watching.on and (self._showing is None or self._showing.done()):
            self._showing = self._tasks.spawn(self._keep_showing())

    def _on_lost(self, link: Link) -> None:
        self._link = None
        self._watch.set(Watching(False))  # the next one says so if somebody follows
        if not self._actor.stopping:
            self._tasks.spawn(self._find_again())

    async def _find_again(self) -> None:
        give_up_s = time.monotonic() + MANAGER_PATIENCE_S
        while time.monotonic() < give_up_s:
            await asyncio.sleep(MANAGER_RETRY_S)
            try:
                await self.open()
            except OSError:
                continue
            return
        log.warning("the hibernation manager does not come back: this room actor ends")
        await self._actor.stop("shutdown")
