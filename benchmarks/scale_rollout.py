"""How long a rolling deploy takes on a node, with the limits of the real mover and pool.

Nodes deploy independently of each other, so a cluster takes as long as its fullest node. Rooms
leave within a look after they were told, wake again at once with the new version, and new room
actors take their time to start.
"""

from __future__ import annotations

from dataclasses import dataclass

from parlour.actors.messages import RoomKey
from parlour.runtime.actor_record import ActorRecord
from parlour.runtime.manager import TICK_S

from benchmarks.scale_node import PARTY, SimulatedNode, options
from benchmarks.scale_standbys import START_S

NEVER_S = 1e9
LATE_S = 60.0  # after the time is over, all rooms have to have moved


@dataclass(frozen=True)
class Rollout:
    """What became of a deploy on one node.

    Attributes:
        at_the_end: Rooms that were told only when the time was over, all at once.
        most_a_look: Of those told before that.
    """

    rooms: int
    rooms_per_actor: int
    within_s: float
    took_s: float
    at_the_end: int
    most_a_look: int


def simulate(rooms: int, rooms_per_actor: int, within_s: float) -> Rollout:
    """Every room has somebody in it all the time, so none hibernates by itself."""
    now_s = 0.0
    parties = options(rooms_per_actor, NEVER_S)
    node = SimulatedNode("node", parties, lambda: now_s, live_rooms_max=rooms + 1)
    for first in range(0, rooms, rooms_per_actor):
        record = node.begin_start()
        node.end_start(record)
        for number in range(first, min(rooms, first + rooms_per_actor)):
            node.begin(record, RoomKey(PARTY, str(number)), NEVER_S)
        node.report(record)
    node.pool.deploy(2, parties)
    node.mover.begin(within_s)
    starting: list[tuple[float, ActorRecord]] = []
    waiting: list[RoomKey] = []
    at_the_end = most_a_look = look = 0
    while left_rooms := len(node.mover.outdated()) + len(waiting):
        look += 1
        now_s = look * TICK_S
        for record in [record for ready_s, record in starting if ready_s <= now_s]:
            node.end_start(record)
        starting = [(ready_s, record) for ready_s, record in starting if ready_s > now_s]
        left = node.carry_out(node.look(len(waiting)))
        if now_s >= within_s:
            at_the_end += len(left)
        else:
            most_a_look = max(most_a_look, len(left))
        waiting = [key for key in waiting + left if not _wakes(node, key)]
        for _ in range(node.pool.missing(len(waiting))):
            starting.append((now_s + START_S, node.begin_start()))
        assert now_s < within_s + LATE_S + rooms * START_S, f"{left_rooms} rooms do not move"
    return Rollout(rooms, rooms_per_actor, within_s, now_s, at_the_end, most_a_look)


def _wakes(node: SimulatedNode, key: RoomKey) -> bool:
    record = node.place(key)
    if record is not None:
        node.begin(record, key, NEVER_S)
        node.report(record)
    return record is not None
