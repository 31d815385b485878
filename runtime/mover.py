"""Tells rooms to leave their process: to hibernate, to move to another version or another node.

Who has to leave is decided in `hibernation.py` and `rollout.py`; a room that is told leaves in
good order, and whoever has an event for it has it woken again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from heapq import nsmallest
from operator import itemgetter

from ..actors import messages
from ..actors.frames import Kind
from ..actors.messages import Leave, RoomKey
from ..actors.resources import ActorResources
from . import memory
from .actor_record import ActorRecord
from .hibernation import NodeSnapshot, RoomSnapshot, departures
from .places import Places
from .pool import Pool
from .rollout import WITHOUT_A_PLACE_MAX, Schedule

log = logging.getLogger(__name__)

TOLD_AGAIN_S = 2.0  # a room may have been on its way to its process when it was told first
RETURN_S = 0.3  # in which a room that has left in use is back, if anybody talks to it


class RoomMover:
    """Sends the rooms of a pool away."""

    def __init__(
        self,
        pool: Pool,
        free_memory_bytes_min: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.draining = False  # every room has to leave the node
        self._pool = pool
        self._free_memory_bytes_min = free_memory_bytes_min
        self._clock = clock
        self._schedule = Schedule(0, 0.0, None)
        self._told: dict[RoomKey, tuple[float, ActorRecord]] = {}  # to move: when, where
        self._between: dict[RoomKey, float] = {}  # have left, and may be about to wake: since when
        self._moved_s = 0.0  # when a room was last told to move

    def __repr__(self) -> str:
        return f"<RoomMover of {len(self.outdated())} outdated rooms, {len(self._told)} told>"

    @property
    def short_of_memory(self) -> bool:
        """Whether idle rooms have to give up theirs."""
        return memory.available_bytes() < self._free_memory_bytes_min

    def outdated(self) -> list[tuple[ActorRecord, RoomKey]]:
        """The rooms that should be elsewhere: of older versions, or all while the node drains."""
        return [(record, key) for record in self._outdated_actors() for key in record.keys]

    def _outdated_actors(self) -> Iterator[ActorRecord]:
        for record in self._pool.actors.values():
            if self.draining or record.version != self._pool.version:
                yield record

    def begin(self, within_s: float | None) -> None:
        """Rooms that are outdated now have so long; None: until they hibernate."""
        self._told.clear()
        self._schedule = Schedule(len(self.outdated()), self._clock(), within_s)
        self.move_outdated()

    def move_outdated(self) -> None:
        """Tell as many outdated rooms to move as the schedule says, longest idle first."""
        if self._schedule.within_s is None:
            return
        now_s = self._clock()
        self._look_who_has_left(now_s)
        left = sum(record.room_count for record in self._outdated_actors())
        due = self._schedule.moves_due(left, len(self._told), now_s)
        if due <= 0:
            return
        for _, record, key in self._next_to_move(due, now_s):
            self._told[key] = (now_s, record)
            self._moved_s = now_s
            self.send_away(record, key, "move" if self.draining else "deploy")

    def _look_who_has_left(self, now_s: float) -> None:
        told, self._told = self._told, {}
        for key, (told_s, record) in told.items():
            if not self._is_still_there(record, key):
                self._between[key] = now_s
            elif now_s - told_s < TOLD_AGAIN_S:
                self._told[key] = (told_s, record)
        self._between = {
            key: left_s
            for key, left_s in self._between.items()
            if now_s - left_s < RETURN_S and self._pool.find(key) is None
        }

    def _is_still_there(self, record: ActorRecord, key: RoomKey) -> bool:
        return self._pool.actors.get(record.id) is record and (
            key in record.rooms or key in record.assigned
        )

    def _next_to_move(self, due: int, now_s: float) -> list[_Candidate]:
        """The longest idle that a started process waits for: nobody should wait for one to start.

        All, when rooms have to leave the node. When the time is over, those for which none is kept
        waiting, and a few where none has come for long.
        """
        none_comes = self._schedule.is_long_over(self._moved_s, now_s)
        without = WITHOUT_A_PLACE_MAX if none_comes else 0
        places = self._pool.places()
        for key in [*self._told, *self._between]:
            places.take(key.party)
        chosen: list[_Candidate] = []
        for candidate in self._candidates(due, places, without, now_s):
            party = candidate[2].party
            if len(chosen) == due:
                break
            if self._needs_no_place(party, now_s) or places.take(party):
                chosen.append(candidate)
            elif without:
                without -= 1
                chosen.append(candidate)
        return chosen

    def _needs_no_place(self, party: str, now_s: float) -> bool:
        is_over = self._schedule.is_over(now_s)
        return self.draining or (is_over and not self._pool.keeps_standbys(party))

    def _candidates(self, due: int, places: Places, without: int, now_s: float) -> list[_Candidate]:
        """The longest idle first; of each party no more than could be chosen."""
        by_party: dict[str, list[ActorRecord]] = {}
        for record in self._outdated_actors():
            by_party.setdefault(record.party, []).append(record)
        found: list[_Candidate] = []
        for party, records in by_party.items():
            unlimited = self._needs_no_place(party, now_s)
            most = due if unlimited else min(due, places.of(party) + without)
            found += nsmallest(most, self._not_told(records), key=_last_event_s)
        return sorted(found, key=_last_event_s)

    def _not_told(self, records: list[ActorRecord]) -> Iterator[_Candidate]:
        for record in records:
            for key, room in record.rooms.items():
                if key not in self._told:
                    yield room.last_event_s, record, key
            for key in record.assigned.keys() - record.rooms.keys():
                if key not in self._told:
                    yield math.inf, record, key

    def hibernate_rooms(
        self, places_wanted: int, resources_wanted: Mapping[ActorResources, int] | None = None
    ) -> None:
        """Tell the rooms to hibernate that should; so many others wait for a place, or for one
        with resources."""
        snapshot = self._snapshot(places_wanted, resources_wanted or {})
        for key, reason in departures(snapshot, self._pool.options):
            record = self._pool.find(key)
            if record is None:
                continue
            if reason == "memory":
                if not record.retiring:
                    log.warning(
                        "room %s is reset: its process has grown by %d bytes",
                        key,
                        record.growth_bytes,
                    )
                record.retiring = True  # memory comes back with the end of the process
            self.send_away(record, key, reason)

    def send_away(self, record: ActorRecord, key: RoomKey, reason: str) -> None:
        """Tell one room to leave; it does when its hook in hand has ended."""
        record.tell(Kind.HIBERNATE, messages.encode(Leave(key, reason)))

    def _snapshot(
        self, places_wanted: int, resources_wanted: Mapping[ActorResources, int]
    ) -> NodeSnapshot:
        options = self._pool.options
        rooms: list[RoomSnapshot] = []
        for record in self._pool.actors.values():
            growth_bytes, neighbours = record.growth_bytes, len(record.rooms)
            rooms += [
                RoomSnapshot(
                    room.key,
                    room.state == "idle",
                    room.connections,
                    room.started_s,
                    room.last_event_s,
                    growth_bytes,
                    neighbours,
                )
                for room in record.rooms.values()
                if room.key.party in options
            ]
        return NodeSnapshot(
            now_s=self._clock(),
            rooms=rooms,
            # Also while processes are being started: an idle room gives up its place much faster.
            places_wanted=places_wanted,
            short_of_memory=self.short_of_memory,
            resources_wanted=resources_wanted,
        )


_Candidate = tuple[float, ActorRecord, RoomKey]  # the first: when it had its last event
_last_event_s = itemgetter(0)
