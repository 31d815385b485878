"""The room actors of a node, and which of them serves which room. Pure: `manager.py` does the I/O.

A room actor is starting, then a standby, then serving one room until that room leaves it; then it
is a standby again. One whose code is older than what is deployed ends instead.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..actors.link import Link
from ..actors.messages import RoomKey, RoomReport

ASSIGNMENT_TIMEOUT_S = 10.0  # for a gateway to attach to the room actor it was given
STARTING_MAX = 4  # at once: each start costs most of a second of CPU


class ActorState(enum.Enum):
    """What a room actor is doing."""

    STARTING = "starting"  # Next: STANDBY, or gone if it could not start.
    STANDBY = "standby"  # Next: SERVING, ENDING.
    SERVING = "serving"  # Next: STANDBY, ENDING.
    ENDING = "ending"  # told to end. Next: gone.


@dataclass
class ActorRecord:
    """A room actor as its manager knows it."""

    id: str
    version: int
    state: ActorState = ActorState.STARTING
    address: str = ""
    pid: int = 0
    link: Link | None = None
    memory_bytes: int = 0
    rooms: dict[RoomKey, RoomReport] = field(default_factory=dict)
    assigned: dict[RoomKey, float] = field(default_factory=dict)  # -> when, until it is reported

    @property
    def keys(self) -> set[RoomKey]:
        """The rooms it has or is about to have."""
        return self.rooms.keys() | self.assigned.keys()


class Pool:
    """All room actors of a node."""

    def __init__(self, standbys: int, live_rooms_max: int) -> None:
        self.version = 0
        self.actors: dict[str, ActorRecord] = {}
        self._standbys = standbys
        self._live_rooms_max = live_rooms_max
        self._by_room: dict[RoomKey, ActorRecord] = {}

    def __repr__(self) -> str:
        counts = {state: self.count(state) for state in ActorState}
        return f"<Pool {', '.join(f'{n} {state.value}' for state, n in counts.items())}>"

    def count(self, state: ActorState) -> int:
        """How many room actors are in a state."""
        return sum(record.state is state for record in self.actors.values())

    def rooms(self) -> Iterator[RoomReport]:
        """Every room that was last reported."""
        for record in self.actors.values():
            yield from record.rooms.values()

    def add(self, actor_id: str) -> ActorRecord:
        """A room actor is being started."""
        record = self.actors[actor_id] = ActorRecord(actor_id, self.version)
        return record

    def remove(self, record: ActorRecord) -> set[RoomKey]:
        """A room actor is gone; returns the rooms it had."""
        self.actors.pop(record.id, None)
        keys = record.keys
        for key in keys:
            if self._by_room.get(key) is record:
                del self._by_room[key]
        return keys

    def find(self, key: RoomKey) -> ActorRecord | None:
        """The room actor that has a room."""
        return self._by_room.get(key)

    def assign(self, key: RoomKey, now_s: float) -> ActorRecord | None:
        """The room actor for a room: the one that has it, else a standby; None if there is none."""
        record = self._by_room.get(key)
        if record is None or record.state is ActorState.ENDING:
            record = next(
                (
                    r
                    for r in self.actors.values()
                    if r.state is ActorState.STANDBY and r.version == self.version
                ),
                None,
            )
            if record is None:
                return None
            record.state = ActorState.SERVING
            self._by_room[key] = record
        record.assigned[key] = now_s
        return record

    def report(
        self, record: ActorRecord, rooms: list[RoomReport], memory_bytes: int, now_s: float
    ) -> None:
        """Take in what a room actor says of its rooms; one without rooms is a standby again."""
        record.memory_bytes = memory_bytes
        before = record.keys
        record.rooms = {room.key: room for room in rooms}
        record.assigned = {
            key: since_s
            for key, since_s in record.assigned.items()
            if key not in record.rooms and now_s - since_s < ASSIGNMENT_TIMEOUT_S
        }
        for key in before - record.keys:
            if self._by_room.get(key) is record:
                del self._by_room[key]
        for key in record.rooms:
            self._by_room[key] = record
        if record.state in (ActorState.STANDBY, ActorState.SERVING):
            record.state = ActorState.SERVING if record.keys else ActorState.STANDBY

    def surplus(self) -> list[ActorRecord]:
        """Standbys that are to end: of an older version, or more than there should be."""
        standbys = [r for r in self.actors.values() if r.state is ActorState.STANDBY]
        old = [r for r in standbys if r.version != self.version]
        current = [r for r in standbys if r.version == self.version]
        return old + current[self._standbys :]

    def missing(self, waiting: int) -> int:
        """How many room actors to start now, when `waiting` rooms wait for one."""
        starting = self.count(ActorState.STARTING)
        ready = sum(
            r.state is ActorState.STANDBY and r.version == self.version
            for r in self.actors.values()
        )
        room_left = self._live_rooms_max - self.count(ActorState.SERVING) - starting - ready
        wanted = self._standbys + waiting - starting - ready
        return max(0, min(wanted, room_left, STARTING_MAX - starting))
