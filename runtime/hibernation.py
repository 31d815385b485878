"""Which rooms leave their process, and why: a pure function of a snapshot of the node.

- "lifetime": the room is older than its class allows.
- "memory": its process has grown past what its rooms may use.
- "hibernate": it has been idle as long as its class says; or rooms wait for a place, or the
  node is short of memory, and it has been idle longer than the others.

A class with `hibernate = False` keeps its rooms while they have connections, for whatever reason
but age and memory of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import NamedTuple

from ..actors.messages import RoomKey
from ..actors.options import RoomOptions
from ..actors.resources import NO_RESOURCES, ActorResources

SHARE_WHEN_SHORT = 10  # of the idle rooms, one in so many goes at each look when memory is short


class RoomSnapshot(NamedTuple):
    """A live room."""

    key: RoomKey
    idle: bool  # nothing in hand, nothing waiting
    connections: int
    started_s: float
    last_event_s: float
    growth_bytes: int  # of its process since it was a fresh standby
    neighbours: int  # rooms in its process, itself included


@dataclass(frozen=True)
class NodeSnapshot:
    """A node at one moment."""

    now_s: float
    rooms: Sequence[RoomSnapshot]
    places_wanted: int  # rooms that wait for a process without resources
    short_of_memory: bool
    resources_wanted: Mapping[ActorResources, int] = field(default_factory=dict)  # the others


class Departure(NamedTuple):
    """A room that has to leave its process."""

    key: RoomKey
    reason: str


def departures(node: NodeSnapshot, options: Mapping[str, RoomOptions]) -> list[Departure]:
    """The rooms that should leave now, each once, the longest idle first among equals."""
    found: dict[RoomKey, str] = {}
    for room in node.rooms:
        reason = own_reason(room, options[room.key.party], node.now_s)
        if reason is not None:
            found[room.key] = reason
    if node.short_of_memory:
        candidates = _candidates(node.rooms, found, options)
        share = -(-len(candidates) // SHARE_WHEN_SHORT)
        found.update(_longest_idle(candidates, max(share, node.places_wanted - len(found))))
    for resources, count in {NO_RESOURCES: node.places_wanted, **node.resources_wanted}.items():
        if count > 0:
            helpful = [
                room
                for room in node.rooms
                if _helps(options[room.key.party].resources, to_get=resources)
            ]
            wanted = count - sum(room.key in found for room in helpful)
            found.update(_longest_idle(_candidates(helpful, found, options), wanted))
    return [Departure(key, reason) for key, reason in found.items()]


def _helps(has: ActorResources, *, to_get: ActorResources) -> bool:
    """Whether who wants a process with some resources is helped if one that has others is free."""
    return bool(has.names & to_get.names) if to_get else not has


def _candidates(
    rooms: Sequence[RoomSnapshot], found: Mapping[RoomKey, str], options: Mapping[str, RoomOptions]
) -> list[RoomSnapshot]:
    return [
        room
        for room in rooms
        if room.key not in found and may_hibernate(room, options[room.key.party])
    ]


def _longest_idle(rooms: Sequence[RoomSnapshot], count: int) -> dict[RoomKey, str]:
    longest = nsmallest(count, rooms, key=lambda room: room.last_event_s)
    return {room.key: "hibernate" for room in longest}


def own_reason(room: RoomSnapshot, options: RoomOptions, now_s: float) -> str | None:
    """Why a room should leave by itself, whatever the others do; None if it should not."""
    if options.lifetime_s_max is not None and now_s - room.started_s >= options.lifetime_s_max:
        return "lifetime"
    if room.growth_bytes > options.memory_bytes_max * room.neighbours:
        return "memory"
    if may_hibernate(room, options) and now_s - room.last_event_s >= options.hibernate_after_s:
        return "hibernate"
    return None


def may_hibernate(room: RoomSnapshot, options: RoomOptions) -> bool:
    """Whether a room could hibernate now."""
    return room.idle and (options.hibernate_with_connections or not room.connections)
