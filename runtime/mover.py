"""Tells rooms to leave their process: to hibernate, to move to another version or another node.

Who has to leave is decided in `hibernation.py` and `rollout.py`; a room that is told leaves in
good order, and whoever has an event for it has it woken again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from ..actors import messages
from ..actors.frames import Kind, pack
from ..actors.messages import Leave, RoomKey
from . import memory
from .hibernation import NodeSnapshot, RoomSnapshot, departures
from .pool import ActorRecord, Pool
from .rollout import Schedule

log = logging.getLogger(__name__)

TOLD_AGAIN_S = 2.0  # a room may have been on its way to its process when it was told first


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
        self._told: dict[RoomKey, float] = {}  # to move, and when

    def __repr__(self) -> str:
        return f"<RoomMover of {len(self.outdated())} outdated rooms, {len(self._told)} told>"

    @property
    def short_of_memory(self) -> bool:
        """Whether idle rooms have to give up theirs."""
        return memory.available_bytes() < self._free_memory_bytes_min

    def outdated(self) -> list[tuple[ActorRecord, RoomKey]]:
        """The rooms that should be elsewhere: of older versions, or all while the node drains."""
        return [
            (record, key)
            for record in self._pool.actors.values()
            if self.draining or record.version != self._pool.version
            for key in record.keys
        ]

    def begin(self, within_s: float | None) -> None:
        """Rooms that are outdated now have so long; None: until they hibernate."""
        self._told.clear()
        self._schedule = Schedule(len(self.outdated()), self._clock(), within_s)
        self.move_outdated()

    def move_outdated(self) -> None:
        """Tell as many outdated rooms to move as the schedule says, longest idle first."""
        now_s = self._clock()
        outdated = self.outdated()
        left = {key for _, key in outdated}
        self._told = {
            key: told_s
            for key, told_s in self._told.items()
            if key in left and now_s - told_s < TOLD_AGAIN_S
        }
        due = self._schedule.moves_due(len(outdated), len(self._told), now_s)
        if due <= 0:
            return
        waiting = [(record, key) for record, key in outdated if key not in self._told]
        waiting.sort(key=lambda each: _last_event_s(*each))
        if not self.draining and not self._schedule.is_over(now_s):
            waiting = self._with_a_place(waiting)
        for record, key in waiting[:due]:
            self._told[key] = now_s
            self.send_away(record, key, "move" if self.draining else "deploy")

    def _with_a_place(
        self, waiting: list[tuple[ActorRecord, RoomKey]]
    ) -> list[tuple[ActorRecord, RoomKey]]:
        """Those that a started process waits for: nobody should wait for one to start."""
        taken = Counter(key.party for key in self._told)
        found = []
        for record, key in waiting:
            if taken[key.party] < self._pool.places_ready(key.party):
                taken[key.party] += 1
                found.append((record, key))
        return found

    def send_to_sleep(self, places_wanted: int) -> None:
        """Tell the rooms to hibernate that should; so many others wait for a place."""
        for key, reason in departures(self._snapshot(places_wanted), self._pool.options):
            record = self._pool.find(key)
            if record is None:
                continue
            if reason == "memory":
                log.warning(
                    "room %s is reset: its process has grown by %d bytes", key, record.growth_bytes
                )
                record.retiring = True  # memory comes back with the end of the process
            self.send_away(record, key, reason)

    def send_away(self, record: ActorRecord, key: RoomKey, reason: str) -> None:
        """Tell one room to leave; it does when its hook in hand has ended."""
        tell(record, Kind.HIBERNATE, messages.encode(Leave(key, reason)))

    def _snapshot(self, places_wanted: int) -> NodeSnapshot:
        rooms = [
            RoomSnapshot(
                room.key,
                room.state == "idle",
                room.connections,
                room.started_s,
                room.last_event_s,
                record.growth_bytes,
                len(record.rooms),
            )
            for record, room in self._pool.rooms()
            if room.key.party in self._pool.options
        ]
        return NodeSnapshot(
            now_s=self._clock(),
            rooms=rooms,
            # Also while processes are being started: an idle room gives up its place much faster.
            places_wanted=places_wanted,
            short_of_memory=self.short_of_memory,
        )


def tell(record: ActorRecord, kind: Kind, payload: bytes) -> None:
    """Say something to a room actor, if there is a link to it."""
    if record.link is not None:
        record.link.write(pack(kind, payload=payload))


def _last_event_s(record: ActorRecord, key: RoomKey) -> float:
    room = record.rooms.get(key)
    return room.last_event_s if room is not None else float("inf")
