"""A node of a simulated cluster: the manager's real decisions, and room actors that do as told.

Real are `Pool`, `RoomMover`, `departures`, `Schedule` and `NodeLoad`, fed as `manager.py` feeds
them. Simulated are the processes: a room actor here is a dict of the rooms that it would report.
No Ray, no Redis, no waiting: the clock is a number that the simulation moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from parlour.actors.link import Link
from parlour.actors.messages import RoomKey, RoomReport
from parlour.actors.options import RoomOptions
from parlour.runtime.actor_record import ActorRecord, ActorState
from parlour.runtime.mover import RoomMover
from parlour.runtime.placement import NodeLoad
from parlour.runtime.pool import Pool

PARTY = "chat"
LINK = cast(Link, object())  # there is one; nothing is written to it, see `OrderTaker`
ACTOR_BYTES = 51_000_000
START_S_MAX = 40.0


def options(rooms_per_actor: int, hibernate_after_s: float) -> Mapping[str, RoomOptions]:
    """One party of rooms that may hibernate while they have connections."""
    return {
        PARTY: RoomOptions(
            hibernate_after_s=hibernate_after_s,
            hibernate_with_connections=True,
            lifetime_s_max=None,
            memory_bytes_max=128 * 2**20,
            rooms_per_actor=rooms_per_actor,
            interleave=False,
            handler_s_max=30.0,
        )
    }


class OrderTaker(RoomMover):
    """The real mover, whose orders are kept instead of sent."""

    def __init__(self, pool: Pool, clock: Callable[[], float]) -> None:
        super().__init__(pool, free_memory_bytes_min=0, clock=clock)
        self.orders: list[tuple[ActorRecord, RoomKey, str]] = []

    def send_away(self, record: ActorRecord, key: RoomKey, reason: str) -> None:
        """Keep the order for who carries it out."""
        self.orders.append((record, key, reason))


class SimulatedNode:
    """A hibernation manager's pool and mover, and the room actors of its node.

    Attributes:
        live: What each room actor has: the truth that its reports tell the pool.
    """

    def __init__(
        self,
        name: str,
        parties: Mapping[str, RoomOptions],
        clock: Callable[[], float],
        *,
        standbys: int = 2,
        live_rooms_max: int = 1_000_000,
    ) -> None:
        self.name = name
        self.clock = clock
        self.pool = Pool(standbys, live_rooms_max)
        self.pool.deploy(1, parties)
        self.mover = OrderTaker(self.pool, clock)
        self.live: dict[str, dict[RoomKey, RoomReport]] = {}
        self._actors_started = 0

    def __repr__(self) -> str:
        return f"<SimulatedNode {self.name}: {self.pool}>"

    def load(self, cpu_load: float = 0.0) -> NodeLoad:
        """What it says of itself to the others."""
        leaving = self.mover.draining
        return NodeLoad(
            self.name,
            self.name,
            self.pool.free_places,
            cpu_load,
            short_of_memory=False,
            leaving=leaving,
        )

    # Room actors

    def begin_start(self) -> ActorRecord:
        """A room actor's process is being started."""
        self._actors_started += 1
        record = self.pool.add(f"{self.name}-{self._actors_started}", self.pool.version)
        record.started_s = self.clock()
        return record

    def end_start(self, record: ActorRecord) -> None:
        """It is ready."""
        self.live[record.id] = {}
        self.pool.started(record, LINK, record.id, self.clock())
        self.report(record)

    def fill(self, waiting: int = 0) -> int:
        """Start what is missing, in no time; returns how many."""
        missing = 0 if self.mover.draining else self.pool.missing(waiting)
        for _ in range(missing):
            self.end_start(self.begin_start())
        return missing

    # Rooms

    def place(self, key: RoomKey) -> ActorRecord | None:
        """The pool's answer to a gateway."""
        return self.pool.assign(key, self.clock())

    def begin(self, record: ActorRecord, key: RoomKey, busy_until_s: float) -> None:
        """The room actor has claimed the room, which has events until then."""
        now_s = self.clock()
        self.live[record.id][key] = RoomReport(key, "live", busy_until_s, 1, now_s)

    def report(self, record: ActorRecord) -> None:
        """A room actor tells the pool of its rooms."""
        now_s = self.clock()
        rooms = list(self.live[record.id].values())
        for room in rooms:
            room.state = "idle" if room.last_event_s <= now_s else "live"
        self.pool.report(record, rooms, ACTOR_BYTES, now_s)

    def report_all(self) -> None:
        """Every room actor does."""
        for record in list(self.pool.actors.values()):
            if record.id in self.live:
                self.report(record)

    # The manager's look, as in `HibernationManager._look_around`

    def look(self, waiting: int = 0) -> list[tuple[ActorRecord, RoomKey, str]]:
        """Decide who leaves; returns the orders. Surplus room actors end."""
        self.mover.hibernate_rooms(waiting)
        self.mover.move_outdated()
        now_s = self.clock()
        self.pool.silent(now_s)
        self.pool.stuck(now_s, START_S_MAX)
        for record in self.pool.surplus():
            record.state = ActorState.ENDING
            self.pool.remove(record)
            self.live.pop(record.id, None)
        orders, self.mover.orders = self.mover.orders, []
        return orders

    def carry_out(self, orders: list[tuple[ActorRecord, RoomKey, str]]) -> list[RoomKey]:
        """Rooms leave as told, and their room actors report it; returns those that left."""
        left: list[RoomKey] = []
        touched: dict[str, ActorRecord] = {}
        for record, key, _ in orders:
            if self.live.get(record.id, {}).pop(key, None) is not None:
                left.append(key)
                touched[record.id] = record
        for record in touched.values():
            self.report(record)
        return left
