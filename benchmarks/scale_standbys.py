"""How long rooms wait for a room actor, by how fast they wake and how many standbys there are.

One node with a room actor for each room, the costliest case: the real pool, fed as the manager
feeds it: refilled at its ticks and when a room has to wait. What a start takes is measured: 1.2 s
by the clock and 0.8 s of CPU, so that more starts at once than processors slow each other down.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import quantiles

from parlour.actors.messages import RoomKey
from parlour.runtime.actor_record import ActorRecord
from parlour.runtime.manager import TICK_S

from benchmarks.scale_costs import cost
from benchmarks.scale_node import PARTY, SimulatedNode, options

START_S = 1.2
START_CPU_S = cost("start")
LIVE_ROOMS_MAX = 10_000


@dataclass(frozen=True)
class Waits:
    """What rooms waited that woke."""

    wakes_per_s: float
    standbys: int
    waited_share: float
    p50_s: float
    p99_s: float
    longest_s: float


class _Node:
    """A pool, rooms that come at random and stay a while, and starts that take their time."""

    def __init__(self, standbys: int, cores: int, live_s: float, seed: int) -> None:
        self.now_s = 0.0
        self.chance = random.Random(seed)
        parties = options(1, live_s)
        self.node = SimulatedNode(
            "node", parties, lambda: self.now_s, standbys=standbys, live_rooms_max=LIVE_ROOMS_MAX
        )
        self.node.fill()
        self.waits_s: list[float] = []
        self._waiting: list[tuple[RoomKey, float]] = []
        self._cores, self._live_s = cores, live_s
        self._starting = 0
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []

    def run(self, wakes_per_s: float, wakes: int) -> list[float]:
        """The waits of so many rooms."""
        at_s = 0.0
        for number in range(wakes):
            at_s += self.chance.expovariate(wakes_per_s)
            self._plan(at_s, partial(self._wake, RoomKey(PARTY, str(number))))
        self._plan(TICK_S, self._tick)
        while len(self.waits_s) < wakes:
            self.now_s, _, happen = heapq.heappop(self._agenda)
            happen()
        return self.waits_s

    def _plan(self, at_s: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at_s, next(self._order), happen))

    def _wake(self, key: RoomKey) -> None:
        if not self._place(key, self.now_s):
            self._waiting.append((key, self.now_s))
            self._fill()

    def _place(self, key: RoomKey, since_s: float) -> bool:
        record = self.node.place(key)
        if record is None:
            return False
        self.waits_s.append(self.now_s - since_s)
        until_s = self.now_s + self.chance.expovariate(1 / self._live_s)
        self.node.begin(record, key, until_s)
        self.node.report(record)
        self._plan(until_s, partial(self._leave, record, key))
        return True

    def _leave(self, record: ActorRecord, key: RoomKey) -> None:
        self.node.carry_out([(record, key, "hibernate")])
        self._serve()

    def _started(self, record: ActorRecord) -> None:
        self._starting -= 1
        self.node.end_start(record)
        self._serve()

    def _serve(self) -> None:
        self._waiting = [each for each in self._waiting if not self._place(*each)]

    def _tick(self) -> None:
        self.node.look(len(self._waiting))
        self._fill()
        self._plan(self.now_s + TICK_S, self._tick)

    def _fill(self) -> None:
        for _ in range(self.node.pool.missing(len(self._waiting))):
            self._starting += 1
            slowed = max(1.0, self._starting * START_CPU_S / (self._cores * START_S))
            record = self.node.begin_start()
            self._plan(self.now_s + START_S * slowed, partial(self._started, record))


def simulate(
    wakes_per_s: float,
    standbys: int,
    *,
    wakes: int = 2000,
    cores: int = 16,
    live_s: float = 60.0,
    seed: int = 1,
) -> Waits:
    """So many wakes at that pace; each room is live for `live_s` on average."""
    waits_s = _Node(standbys, cores, live_s, seed).run(wakes_per_s, wakes)
    parts = quantiles(waits_s, n=100)
    waited = sum(wait_s > 0 for wait_s in waits_s)
    return Waits(wakes_per_s, standbys, waited / len(waits_s), parts[49], parts[98], max(waits_s))
