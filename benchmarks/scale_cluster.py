"""A cluster of simulated nodes and their directory: where rooms wake, and who asks whom.

Follows what `router.py` and `manager.py` do for one event of a room: the gateway that is not
attached looks the room up; if nobody alive has it, its own manager places it or names another
node; the claim decides between two. A claim is in the directory `CLAIM_S` after the look-up.
Promises to keep every room on one node at most (`check`), as the directory is only written as a
claim writes it: not over a living holder.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

from parlour.actors.lease import LEASE_S
from parlour.actors.messages import RoomKey
from parlour.runtime.actor_record import ActorRecord
from parlour.runtime.placement import NodeLoad, elsewhere
from parlour.runtime.wakes import HURRY_S

from benchmarks.scale_node import PARTY, SimulatedNode, options

CLAIM_S = 0.003  # from a gateway's look-up to the claim: a wake of 1.4 to 3.4 ms
NEWS_S = 1.0  # between two times that nodes hear of each other
NOBODY = -1
BUSY_ROOMS = 10_000  # live rooms that keep a node's processors at one runnable process each


@dataclass
class Tally:
    """What happened, and the CPU of the decisions."""

    events: int = 0
    lookups: int = 0
    wakes: int = 0
    elsewhere: int = 0  # woken on another node than that of the gateway
    bounced: int = 0  # claims refused, as another node was first
    waited_for_start: int = 0  # a room actor had to be started first
    waited_for_place: int = 0  # a room that was idle had to go first
    refused: int = 0  # no place in the whole cluster
    placing_cpu_s: float = 0.0
    look_cpu_s: float = 0.0
    looks: int = 0
    reports_cpu_s: float = 0.0
    left: Counter[str] = field(default_factory=Counter)  # rooms that left, by reason


class SimulatedCluster:
    """Nodes by number, and which of them holds each room by its number."""

    def __init__(
        self,
        rooms: int,
        nodes: int,
        *,
        rooms_per_actor: int,
        hibernate_after_s: float,
        live_rooms_max: int,
    ) -> None:
        self.now_s = 0.0
        parties = options(rooms_per_actor, hibernate_after_s)
        self.nodes = [
            SimulatedNode(str(number), parties, lambda: self.now_s, live_rooms_max=live_rooms_max)
            for number in range(nodes)
        ]
        self.died_s: dict[int, float] = {}
        self.tally = Tally()
        self._rooms_per_actor = rooms_per_actor
        self._live_rooms_max = live_rooms_max
        self._directory = array("h", [NOBODY]) * rooms
        self._attached: dict[int, int] = {}  # live room -> its gateways, a bit each
        self._claims: dict[int, float] = {}  # room that is waking -> when the claim is to be seen
        self._news: list[NodeLoad] = []
        self._news_of: dict[int, list[NodeLoad]] = {}  # without each one's own
        self._news_s = -NEWS_S
        for node in self.nodes:
            node.fill()

    @property
    def alive(self) -> list[int]:
        """The nodes that have not died."""
        return [number for number in range(len(self.nodes)) if number not in self.died_s]

    # One event

    def event(self, gateway: int, room: int, busy_until_s: float) -> float | None:
        """A gateway has something for a room; returns when to try again, if it has to."""
        self.tally.events += 1
        holder = self._directory[room]
        mask = self._attached.get(room, 0)
        if not mask >> gateway & 1:
            self.tally.lookups += 1
            if holder != NOBODY and holder in self.died_s:
                lease_end_s = self.died_s[holder] + LEASE_S
                if self.now_s < lease_end_s:
                    return lease_end_s
                holder = self._directory[room] = NOBODY
            elif self.now_s < self._claims.get(room, 0.0):
                return self._wake_beside(gateway, room, holder)
            if holder == NOBODY:
                return self._wake(gateway, room, busy_until_s)
            self._attached[room] = mask | 1 << gateway
        self._prolong(holder, room, busy_until_s)
        return None

    def _prolong(self, holder: int, room: int, busy_until_s: float) -> None:
        key = RoomKey(PARTY, str(room))
        record = self.nodes[holder].pool.find(key)
        assert record is not None, f"room {room} is not where the directory says"
        report = self.nodes[holder].live[record.id][key]
        report.last_event_s = max(report.last_event_s, busy_until_s)

    def _wake(self, gateway: int, room: int, busy_until_s: float) -> float | None:
        number, record = self._placed(gateway, room)
        if record is None:
            return self.now_s + HURRY_S
        self.tally.wakes += 1
        self._directory[room] = number
        self._claims[room] = self.now_s + CLAIM_S
        self._attached[room] = 1 << gateway
        node = self.nodes[number]
        node.begin(record, RoomKey(PARTY, str(room)), busy_until_s)
        if record.room_count == 1:
            node.fill()  # at the manager's next tick, that is
        return None

    def _wake_beside(self, gateway: int, room: int, holder: int) -> float:
        """Nobody's claim is to be seen yet, so the room is placed a second time."""
        number, record = self._placed(gateway, room)
        if record is not None and number != holder:
            self.tally.bounced += 1
        return self._claims[room]

    def _placed(self, gateway: int, room: int) -> tuple[int, ActorRecord | None]:
        key = RoomKey(PARTY, str(room))
        number = gateway
        node = self.nodes[number]
        peers = self._peers(gateway)
        began_s = time.process_time()
        if node.pool.find(key) is None:
            other = elsewhere(self._load(number), peers)
            if other is not None:
                self.tally.elsewhere += 1
                number = int(other.node_id)
                node = self.nodes[number]
        record = node.place(key)
        self.tally.placing_cpu_s += time.process_time() - began_s
        if record is None:
            record = self._made_place(number, key)
        return number, record

    def _made_place(self, number: int, key: RoomKey) -> ActorRecord | None:
        """The room waits: for a room actor to start, or for an idle room to go."""
        node = self.nodes[number]
        if node.pool.full:
            self.tally.waited_for_place += 1
            self._leave(number, waiting=1)
        elif node.fill(waiting=1):
            self.tally.waited_for_start += 1
        record = node.place(key)
        self.tally.refused += record is None
        return record

    def _load(self, number: int) -> NodeLoad:
        node = self.nodes[number]
        return node.load(cpu_load=node.pool.room_count / BUSY_ROOMS)

    def _peers(self, number: int) -> list[NodeLoad]:
        """What the others said of themselves, up to a second ago."""
        if self.now_s - self._news_s >= NEWS_S:
            self._news_s = self.now_s
            self._news = [self._load(other) for other in self.alive]
            self._news_of.clear()
        peers = self._news_of.get(number)
        if peers is None:
            name = self.nodes[number].name
            peers = self._news_of[number] = [load for load in self._news if load.node_id != name]
        return peers

    # What managers do from time to time

    def look(self) -> None:
        """Every room actor reports, every manager looks around, rooms leave as told."""
        for number in self.alive:
            began_s = time.process_time()
            self.nodes[number].report_all()
            self.tally.reports_cpu_s += time.process_time() - began_s
            self._leave(number)
            self.nodes[number].fill()
        self._claims = {room: at_s for room, at_s in self._claims.items() if at_s > self.now_s}

    def look_at(self, number: int) -> list[int]:
        """One manager looks around; returns the rooms that left its node."""
        return self._leave(number)

    def _leave(self, number: int, waiting: int = 0) -> list[int]:
        node = self.nodes[number]
        began_s = time.process_time()
        orders = node.look(waiting)
        self.tally.look_cpu_s += time.process_time() - began_s
        self.tally.looks += 1
        self.tally.left.update(reason for _, _, reason in orders)
        left = [int(key.id) for key in node.carry_out(orders)]
        for room in left:
            self._directory[room] = NOBODY
            self._attached.pop(room, None)
        return left

    # What befalls nodes

    def kill(self, number: int) -> list[tuple[int, float]]:
        """A node dies with its gateway; returns its rooms, and until when they have events."""
        self.died_s[number] = self.now_s
        node = self.nodes[number]
        lost = [
            (int(key.id), room.last_event_s)
            for rooms in node.live.values()
            for key, room in rooms.items()
        ]
        for room, _ in lost:
            self._attached.pop(room, None)
        for room in self._attached:
            self._attached[room] &= ~(1 << number)
        self._news_s = self.now_s - NEWS_S
        return lost

    def busy_until(self, number: int) -> dict[int, float]:
        """Of each live room of a node, when it has its last event."""
        return {
            int(key.id): room.last_event_s
            for rooms in self.nodes[number].live.values()
            for key, room in rooms.items()
        }

    def drain(self, number: int, within_s: float) -> None:
        """As `HibernationManager.drain` does."""
        node = self.nodes[number]
        node.mover.draining = True
        node.pool.retire_all()
        node.mover.begin(within_s)

    def deploy(self, version: int, within_s: float | None) -> None:
        """As `HibernationManager.use` does, on every node."""
        for number in self.alive:
            node = self.nodes[number]
            node.pool.deploy(version, node.pool.options)
            node.fill()
            if node.mover.draining:
                node.pool.retire_all()
            else:
                node.mover.begin(within_s)

    # What has to be true

    def is_live(self, room: int) -> bool:
        """Whether a living node has it."""
        holder = self._directory[room]
        return holder != NOBODY and holder not in self.died_s

    def check(self) -> int:
        """Compare nodes and directory; returns how many rooms are live.

        Raises:
            AssertionError: If a room is on two nodes, or lost, or a limit is passed.
        """
        found = 0
        for number in self.alive:
            node = self.nodes[number]
            assert node.pool.room_count <= self._live_rooms_max, f"{node} has too many rooms"
            for actor_id, rooms in node.live.items():
                assert len(rooms) <= self._rooms_per_actor, f"{actor_id} has too many rooms"
                for key in rooms:
                    assert self._directory[int(key.id)] == number, f"{key} is on two nodes"
                found += len(rooms)
        held = sum(holder != NOBODY and holder not in self.died_s for holder in self._directory)
        assert held == found, f"the directory has {held} live rooms, the nodes have {found}"
        return found
