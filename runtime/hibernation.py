"""Which rooms hibernate: a pure function of a snapshot of the node.

A room hibernates when it has been idle for as long as its class says. When rooms wait for a room
actor and there is none, the rooms that have been idle longest give theirs up first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..actors.messages import RoomKey


class RoomSnapshot(NamedTuple):
    """A live room."""

    key: RoomKey
    idle: bool  # nothing in hand, nothing waiting
    last_event_s: float
    hibernate_after_s: float


def rooms_to_hibernate(
    rooms: Sequence[RoomSnapshot], now_s: float, actors_wanted: int
) -> list[RoomKey]:
    """Those that should leave their process now, longest idle first.

    `actors_wanted` is how many rooms wait for a room actor that nobody else will provide.
    """
    idle = sorted((room for room in rooms if room.idle), key=lambda room: room.last_event_s)
    return [
        room.key
        for rank, room in enumerate(idle)
        if rank < actors_wanted or now_s - room.last_event_s >= room.hibernate_after_s
    ]
