"""Room actors of parties that ask Ray for resources: how many are wanted, and until when. Pure.

None is kept waiting for a room, as it would hold what others need: one is started for each room
that waits, and Ray places it, on this node or on another. While no node has what it asks for, it
stays pending, and is a demand that Ray's autoscaler sees; for a while also when the rooms that
waited have given up, as a new machine takes minutes and their clients come again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ..actors.resources import ActorResources
from .actor_record import ActorRecord, ActorState
from .pool import STARTING_MAX, Pool

PENDING_KEPT_S = 600.0  # for a node to come, from the last moment a room waited
STANDBY_KEPT_S = 5.0  # after its room has left; at once if others wait for what it has
UNPLACED_TOLD_S = 2.0  # that Ray may take to place one before the log says that it cannot


class Demand:
    """What rooms that wait at one node's manager ask of all nodes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._wanted_s: dict[ActorResources, float] = {}  # when a room last waited for them
        self._told: set[ActorResources] = set()

    def __repr__(self) -> str:
        return f"<Demand for {len(self._wanted_s)} kinds of resources>"

    def waiting(self, rooms: Mapping[str, int]) -> Counter[ActorResources]:
        """The room actors that would serve all waiting rooms (party -> how many), by resources."""
        wanted: Counter[ActorResources] = Counter()
        for party, count in rooms.items():
            resources = self._pool.resources_of(party)
            if resources:
                wanted[resources] += -(-count // self._pool.rooms_per_actor(party))
        return wanted

    def missing(self, rooms: Mapping[str, int], now_s: float) -> Iterator[ActorResources]:
        """What to start room actors with now, one for each that is yielded."""
        for resources, wanted in self.waiting(rooms).items():
            self._wanted_s[resources] = now_s
            if self._pool.full:
                continue
            there = [r for r in self._pool.actors.values() if r.resources == resources]
            starting = sum(r.state is ActorState.STARTING and not r.retiring for r in there)
            ready = sum(r.state is ActorState.STANDBY and not r.retiring for r in there)
            for _ in range(min(wanted - ready, STARTING_MAX) - starting):
                yield resources

    def withdrawn(self, now_s: float) -> list[ActorRecord]:
        """Those that Ray has not placed and that nobody wants any more."""
        return [
            record
            for record in self._pending()
            if record.retiring
            or now_s - self._wanted_s.get(record.resources, -PENDING_KEPT_S) >= PENDING_KEPT_S
        ]

    def surplus(self, rooms: Mapping[str, int], now_s: float) -> list[ActorRecord]:
        """Those whose room has left and that wait for another one no longer."""
        idle = [
            record
            for record in self._pool.actors.values()
            if record.resources and record.state is ActorState.STANDBY and not record.retiring
        ]
        if not idle:
            return []
        wanted = self.waiting(rooms)
        return [
            record
            for record in idle
            if now_s - record.standby_since_s >= STANDBY_KEPT_S
            or any(
                record.resources != other and record.resources.names & other.names
                for other in wanted
            )
        ]

    def unplaced(self, now_s: float) -> dict[str, str]:
        """Party -> the resources that no node has free for it, in words."""
        late = {
            record.resources
            for record in self._pending()
            if now_s - record.asked_s >= UNPLACED_TOLD_S
        }
        return {
            party: str(options.resources)
            for party, options in self._pool.options.items()
            if options.resources in late
        }

    def news(self, now_s: float) -> dict[str, str]:
        """What is unplaced since the last call, each once until it was placed."""
        unplaced = self.unplaced(now_s)
        resources = {party: self._pool.options[party].resources for party in unplaced}
        news = {party: unplaced[party] for party, r in resources.items() if r not in self._told}
        self._told = set(resources.values())
        return news

    def _pending(self) -> list[ActorRecord]:
        return [
            record
            for record in self._pool.actors.values()
            if record.resources and record.state is ActorState.STARTING and not record.started_s
        ]
