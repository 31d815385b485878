"""Ends the room actors of a node that must not go on: stopped, stuck, or more than there should be.

Called at every look of the hibernation manager. Which those are is in `pool.py` and `demand.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..actors.frames import Kind
from ..actors.tasks import Tasks
from .actor_record import ActorRecord, ActorState
from .burial import Undertaker
from .crew import TRIAL_TIMEOUT_S, Crew
from .demand import Demand
from .pool import Pool

log = logging.getLogger(__name__)


class Caretaker:
    """Of one pool."""

    def __init__(
        self, pool: Pool, demand: Demand, crew: Crew, undertaker: Undertaker, tasks: Tasks
    ) -> None:
        self._pool = pool
        self._demand = demand
        self._crew = crew
        self._undertaker = undertaker
        self._tasks = tasks

    def __repr__(self) -> str:
        return f"<Caretaker of {self._pool}>"

    def look(self, waiting: Mapping[str, int], now_s: float) -> None:
        """End those that have to; so many rooms of each party wait for one."""
        for record in self._pool.silent(now_s):
            self._tasks.spawn(self._end_if_stopped(record))
        for record in self._pool.stuck(now_s, TRIAL_TIMEOUT_S):
            log.error("room actor %s is stuck and is ended", record.id)
            self.end_at_once(record)
        for record in self._pool.surplus():
            self.end(record, b"surplus")
        for record in self._demand.surplus(waiting, now_s):
            self.end(record, b"surplus")
        for record in self._demand.withdrawn(now_s):
            self._crew.withdraw(record)
        for party, resources in self._demand.news(now_s).items():
            log.warning(
                "rooms of party %s wait for %s, which no node has free; Ray's autoscaler is asked",
                party,
                resources,
            )

    def end(self, record: ActorRecord, reason: bytes) -> None:
        """Have one end in good order."""
        record.tell(Kind.EXIT, reason)
        record.state = ActorState.ENDING

    def end_at_once(self, record: ActorRecord) -> None:
        """End one, also if it is blocked."""
        self._undertaker.kill(record.id)
        self._crew.kill(record)

    async def _end_if_stopped(self, record: ActorRecord) -> None:
        """A busy room actor does not report but keeps its lease; a stopped one loses it."""
        if record.owner and await self._undertaker.is_lease_gone(record.owner):
            log.warning("room actor %s has lost its lease and is ended", record.id)
            self._undertaker.kill(record.id)
