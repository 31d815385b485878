"""A room actor as the hibernation manager of its node knows it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from ..actors.frames import Kind, pack
from ..actors.link import Link
from ..actors.messages import RoomKey, RoomReport
from ..actors.resources import NO_RESOURCES, ActorResources


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
    resources: ActorResources = NO_RESOURCES
    address: str = ""
    link: Link | None = None
    party: str = ""  # of the rooms it serves
    retiring: bool = False  # takes no new room, ends when it is empty
    empty_bytes: int = 0  # its memory when it was a fresh standby
    memory_bytes: int = 0
    asked_s: float = 0.0  # when Ray was asked for it
    started_s: float = 0.0  # when its process began; 0 while Ray has not placed it
    standby_since_s: float = 0.0
    reported_s: float = 0.0
    looked_s: float = 0.0  # when its silence was last noticed
    owner: str = ""  # the name of its lease, from the first report on
    rooms: dict[RoomKey, RoomReport] = field(default_factory=dict)
    assigned: dict[RoomKey, float] = field(default_factory=dict)  # -> when, until it is reported
    room_count: int = 0  # of `keys`, which would be counted anew for each room that is placed

    @property
    def keys(self) -> set[RoomKey]:
        """The rooms it has or is about to have."""
        return self.rooms.keys() | self.assigned.keys()

    @property
    def growth_bytes(self) -> int:
        """What it has grown by since it was a fresh standby."""
        return max(0, self.memory_bytes - self.empty_bytes) if self.empty_bytes else 0

    def tell(self, kind: Kind, payload: bytes) -> None:
        """Say something to it, if there is a link."""
        if self.link is not None:
            self.link.write(pack(kind, payload=payload))
