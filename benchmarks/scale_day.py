"""A day of a simulated cluster: visits by popularity and hour, a death, a drain and a deploy.

The managers' looks are `step_s` apart, where they are 0.2 s apart in truth, but for the node that
is drained; so a room may stay longer than it would. Everything else has its own time. Seeded: the
same plan gives the same day, but for the CPU times.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from parlour.runtime.manager import TICK_S

from benchmarks.scale_cluster import SimulatedCluster, Tally

DAY_S = 86_400.0
CHECK_S = 3600.0
RETRY_SPREAD_S = 2.0  # gateways back off up to this long, each by chance
Event = tuple[float, int, int, float]  # when, gateway, room, until when the room has more


@dataclass(frozen=True)
class Plan:
    """A day.

    Attributes:
        popularity: Exponent of Zipf's law: visits of the n-th room are as 1 / n ** popularity.
        visit_s: How long a room is in use after a visit, on average.
        clients: Of a room that is in use, each on a gateway by chance; all come back when a
            node has died.
        favoured: Gateways that get twice the clients of the others.
    """

    rooms: int = 1_000_000
    visits: int = 1_300_000
    nodes: int = 20
    favoured: int = 2
    rooms_per_actor: int = 500
    live_rooms_max: int = 7_000
    popularity: float = 0.7
    visit_s: float = 3600.0
    hibernate_after_s: float = 600.0
    clients: int = 10
    step_s: float = 600.0
    death_h: float = 11.0
    drain_h: float = 14.0
    drain_within_s: float = 60.0
    deploy_h: float = 16.0
    seed: int = 1


@dataclass
class Day:
    """What came of it.

    Attributes:
        live: At each step, the rooms of each node.
        lookups_per_s: At each step, what the directory was asked.
        back_s: After the death, how long until all rooms in use were live again.
        bounced_after_death: Claims refused then.
        drained_at_end: Rooms that were told to go only when the time was over.
        unserved: Events that were never handled.
        outdated: At each step from the deploy on, rooms with the version before.
    """

    plan: Plan
    tally: Tally
    live: list[list[int]] = field(default_factory=list)
    lookups_per_s: list[float] = field(default_factory=list)
    visited: int = 0
    unserved: int = 0
    killed_rooms: int = 0
    woken_after_death: int = 0
    back_s: float = 0.0
    bounced_after_death: int = 0
    drained: int = 0
    drained_at_end: int = 0
    drain_took_s: float = 0.0
    outdated: list[int] = field(default_factory=list)


def simulate(plan: Plan) -> Day:
    """Live through it.

    Raises:
        AssertionError: If a room was on two nodes, lost, or a limit was passed.
    """
    return _Simulation(plan).run()


class _Simulation:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.chance = random.Random(plan.seed)
        self.cluster = SimulatedCluster(
            plan.rooms,
            plan.nodes,
            rooms_per_actor=plan.rooms_per_actor,
            hibernate_after_s=plan.hibernate_after_s,
            live_rooms_max=plan.live_rooms_max,
        )
        self.day = Day(plan, self.cluster.tally)
        self._popularity = array(
            "d", itertools.accumulate((n + 1) ** -plan.popularity for n in range(plan.rooms))
        )
        self._agenda: list[Event] = []
        self._gateways: list[int] = []
        self._find_gateways()
        self._visited = bytearray(plan.rooms)
        self._seen_lookups = 0

    def run(self) -> Day:
        plan = self.plan
        happenings: dict[int, Callable[[], None]] = {
            self._step_of(plan.death_h): self._death,
            self._step_of(plan.drain_h): self._drain,
            self._step_of(plan.deploy_h): lambda: self.cluster.deploy(2, None),
        }
        for step in range(int(DAY_S / plan.step_s)):
            from_s = step * plan.step_s
            self.cluster.now_s = from_s
            if step in happenings:
                happenings[step]()
            self._visits(from_s, from_s + plan.step_s)
            self._until(from_s + plan.step_s)
            self.cluster.look()
            self._note(step)
            if (from_s + plan.step_s) % CHECK_S == 0:
                self.cluster.check()
        self.day.unserved = len(self._agenda)
        self.day.visited = sum(self._visited)
        return self.day

    def _step_of(self, hour: float) -> int:
        return int(hour * 3600 / self.plan.step_s)

    # Arrivals

    def _visits(self, from_s: float, to_s: float) -> None:
        """Those of one step, at random times in it, added to the agenda."""
        middle = (from_s + to_s) / 2 / DAY_S
        share = (1 - 0.8 * math.cos(2 * math.pi * (middle - 1 / 6))) * self.plan.step_s / DAY_S
        count = round(self.plan.visits * share)
        rooms = self.chance.choices(range(self.plan.rooms), cum_weights=self._popularity, k=count)
        for room in rooms:
            at_s = self.chance.uniform(from_s, to_s)
            until_s = at_s + self.chance.expovariate(1 / self.plan.visit_s)
            self._agenda.append((at_s, self._gateway(), room, until_s))
        heapq.heapify(self._agenda)

    def _gateway(self) -> int:
        """One that takes clients; the favoured twice as often."""
        return self.chance.choice(self._gateways)

    def _find_gateways(self) -> None:
        takes = [n for n in self.cluster.alive if not self.cluster.nodes[n].mover.draining]
        self._gateways = takes + [n for n in takes if n < self.plan.favoured]

    def _until(self, to_s: float) -> None:
        while self._agenda and self._agenda[0][0] <= to_s:
            at_s, gateway, room, until_s = heapq.heappop(self._agenda)
            self.cluster.now_s = at_s
            if gateway in self.cluster.died_s:
                gateway = self._gateway()
            again_s = self.cluster.event(gateway, room, until_s)
            if again_s is None:
                self._visited[room] = 1
            else:
                delay_s = self.chance.random() * (RETRY_SPREAD_S if again_s - at_s > 0.1 else 0.001)
                heapq.heappush(self._agenda, (again_s + delay_s, gateway, room, until_s))
        self.cluster.now_s = to_s

    # Happenings

    def _death(self) -> None:
        """A node that is full of rooms: their clients come back to other gateways."""
        cluster, died_s = self.cluster, self.cluster.now_s
        lost = cluster.kill(len(cluster.nodes) - 1)
        self._find_gateways()
        in_use = {room: until_s for room, until_s in lost if until_s > died_s}
        for room, until_s in in_use.items():
            for _ in range(self.plan.clients):
                self._agenda.append((died_s + self.chance.random(), self._gateway(), room, until_s))
        heapq.heapify(self._agenda)
        wakes, bounced = cluster.tally.wakes, cluster.tally.bounced
        self.day.killed_rooms = len(lost)
        while not all(cluster.is_live(room) for room in in_use):
            self._until(cluster.now_s + 0.1)
            assert cluster.now_s < died_s + 10, "rooms of the dead node have not woken"
        self.day.back_s = cluster.now_s - died_s
        self.day.woken_after_death = cluster.tally.wakes - wakes
        self._until(died_s + 10)
        self.day.bounced_after_death = cluster.tally.bounced - bounced

    def _drain(self) -> None:
        """At the managers' real pace; who is in use wakes on another node at once."""
        cluster, began_s = self.cluster, self.cluster.now_s
        number = 0
        busy_until = cluster.busy_until(number)
        self.day.drained = len(busy_until)
        cluster.drain(number, self.plan.drain_within_s)
        self._find_gateways()
        ticks = 0
        while cluster.nodes[number].pool.room_count:
            ticks += 1
            over = ticks * TICK_S >= self.plan.drain_within_s
            self._until(began_s + ticks * TICK_S)
            left = cluster.look_at(number)
            self.day.drained_at_end += len(left) if over else 0
            for room in left:
                if busy_until[room] > cluster.now_s:
                    event = (cluster.now_s, self._gateway(), room, busy_until[room])
                    heapq.heappush(self._agenda, event)
            assert ticks * TICK_S < self.plan.drain_within_s + 15, "the node does not get empty"
        self.day.drain_took_s = ticks * TICK_S

    def _note(self, step: int) -> None:
        nodes, tally = self.cluster.nodes, self.cluster.tally
        alive = set(self.cluster.alive)
        self.day.live.append(
            [nodes[n].pool.room_count if n in alive else 0 for n in range(len(nodes))]
        )
        self.day.lookups_per_s.append((tally.lookups - self._seen_lookups) / self.plan.step_s)
        self._seen_lookups = tally.lookups
        if step >= self._step_of(self.plan.deploy_h):
            self.day.outdated.append(
                sum(len(nodes[n].mover.outdated()) for n in alive if not nodes[n].mover.draining)
            )
