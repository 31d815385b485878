"""The hibernation manager: one per node. Keeps the standby pool, places rooms, has them leave.

Gateways ask it where a room is (`wakes.py` answers), room actors report to it. Who starts them is
in `crew.py`, who tells rooms to leave in `mover.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Sequence

from ..actors import messages
from ..actors.counts import GatewayReport
from ..actors.frames import Kind
from ..actors.link import Link, listen, listen_to_nodes
from ..actors.messages import Hello, Report, RoomKey, Wake
from ..actors.network import Address
from ..actors.tasks import Tasks
from ..actors.watch import SeenBatch
from . import memory, sockets_folder
from .actor_record import ActorRecord, ActorState
from .burial import Undertaker
from .caretaker import Caretaker
from .crew import ActorStarter, Crew
from .demand import Demand
from .deployment import Deployment
from .metrics import NodeMetrics
from .mover import RoomMover
from .node_counts import NodeCounts
from .placement import NodeLoad
from .pool import Pool
from .room_orders import RoomOrders
from .settings import ManagerSettings
from .status import ManagerStatus
from .tail import Tail
from .tried_rooms import TriedRooms
from .waiting import WaitingWake
from .wakes import Wakes

log = logging.getLogger(__name__)

TICK_S = 0.2
STOP_TIMEOUT_S = 6.0


class HibernationManager:
    """Places rooms in room actors and takes them out again."""

    def __init__(self, settings: ManagerSettings, starter: ActorStarter) -> None:
        self.settings = settings
        self.address = settings.address  # for other nodes, too, once it is started
        self.pool = Pool(
            settings.standbys, settings.live_rooms_max or memory.default_live_rooms_max()
        )
        free_min = settings.free_memory_bytes_min
        self.mover = RoomMover(
            self.pool, memory.default_free_bytes_min() if free_min is None else free_min
        )
        self._demand = Demand(self.pool)
        self._undertaker = Undertaker(settings.redis_url)
        self._tasks = Tasks("the hibernation manager")
        self._wakes = Wakes(
            self.pool,
            self.mover,
            self._demand,
            self._undertaker,
            load=self._load,
            fill=self._fill,
            spawn=self._tasks.spawn,
        )
        self._crew = Crew(
            settings, starter, self.pool, self._tasks.spawn, self._gone, self._wakes.send_on
        )
        self._caretaker = Caretaker(
            self.pool, self._demand, self._crew, self._undertaker, self._tasks
        )
        self.orders = RoomOrders(self.pool, self.mover, self._caretaker.end_at_once)
        self.counts = NodeCounts()
        self.tail = Tail(self.pool)
        self.metrics = NodeMetrics(self.pool, self.counts)
        self._tried = TriedRooms()
        self._servers: list[asyncio.AbstractServer] = []
        self._one_is_gone = asyncio.Event()
        self._stopping = False

    def __repr__(self) -> str:
        return f"<HibernationManager {self.pool}, {len(self._wakes)} waiting>"

    async def start(self, deployed: Deployment | None, within_s: float | None = None) -> None:
        """Listen for gateways and room actors; take over what an earlier manager had deployed.

        Rooms that are live with another version have so long to move to it (see `use`).

        Raises:
            OSError: If it cannot listen, or the folder of the sockets is not its own.
        """
        if deployed is not None:
            self.use(deployed, within_s=within_s)
        network = self.settings.network
        sockets_folder.make(self.settings.folder)
        calls = (self._on_frame, self._on_lost)
        path = self.settings.address
        self._servers.append(await listen(path, *calls, on_hello=self._on_hello))
        if network is not None:
            server, port = await listen_to_nodes(network, *calls, on_hello=self._on_hello)
            self._servers.append(server)
            self.address = str(Address(path, network.host, port))
        self._wakes.address = self.address
        self._tasks.spawn(self._tick())

    async def stop(self) -> None:
        """Let every room leave in good order and end every room actor."""
        self._stopping = True
        self._wakes.stop()
        for record in self.pool.actors.values():
            self._crew.kill_if_starting(record)
            self._caretaker.end(record, b"shutdown")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._all_gone()
        for record in list(self.pool.actors.values()):
            self._crew.kill(record)
        self._tasks.cancel()
        for server in self._servers:
            server.close()

    async def _all_gone(self) -> None:
        # Also of those that an earlier manager started: all that is known of them is their link.
        while self.pool.actors:
            self._one_is_gone.clear()
            await self._one_is_gone.wait()

    # Versions and the other nodes

    async def try_out(self, new: Deployment) -> None:
        """Start a room actor with new room classes; nothing else changes yet.

        Raises:
            DeployFailed: If it does not start.
        """
        await self._crew.try_out(new)

    def use(self, deployed: Deployment, *, within_s: float | None) -> None:
        """Use these room classes for rooms that wake from now on.

        Rooms that are live move to them within so many seconds, or as they hibernate (None). Does
        nothing where they are used already.
        """
        if deployed.version == self.pool.version:
            return
        self._crew.use(deployed)
        self.pool.deploy(deployed.version, deployed.code.parties)
        self._tried.begin_anew()
        self._fill()
        if self.mover.draining:
            self.pool.retire_all()  # this version's room actors, too; the rooms have their time
        else:
            self.mover.begin(within_s)
        self._wakes.serve()

    def drain(self, within_s: float) -> None:
        """Let no room wake here any more, and have those that are live leave within the time."""
        self.mover.draining = True
        self.pool.retire_all()
        self.mover.begin(within_s)
        self._wakes.begin_anew()

    def redirect(self, key: RoomKey, manager_address: str, for_s: float) -> None:
        """Have a room wake on the node of that manager, which may be this one, for so long."""
        self._wakes.redirect(key, manager_address, for_s)

    def hear(self, peers: Sequence[NodeLoad]) -> ManagerStatus:
        """Learn what the other nodes say of themselves, and say the same of this one."""
        self._wakes.hear(peers)
        pool = self.pool
        return ManagerStatus(
            load=self._load(),
            version=pool.version,
            live_rooms=pool.room_count,
            outdated_rooms=len(self.mover.outdated()),
            room_actors=len(pool.actors),
            standbys=pool.count(ActorState.STANDBY),
            waiting=len(self._wakes),
            started_rooms=self._tried.started,
            failed_rooms=self._tried.failed,
            draining=self.mover.draining,
            unplaced=self._demand.unplaced(time.monotonic()),
        )

    def _load(self) -> NodeLoad:
        return NodeLoad(
            self.settings.node_id,
            self.address,
            free_places=self.pool.free_places,
            cpu_load=os.getloadavg()[0] / (os.cpu_count() or 1),
            short_of_memory=self.mover.short_of_memory,
            leaving=self.mover.draining or not self.pool.version,
        )

    # Frames

    def _on_hello(self, link: Link, hello: Hello) -> None:
        if hello.role != "room actor":
            return
        record = self.pool.actors.get(hello.id)
        if record is None:
            # It was started by a manager that has died since; its rooms are in its first report.
            # Or, as it has resources, by that of another node.
            record = self.pool.add(hello.id, hello.version, hello.resources)
        self.pool.started(record, link, hello.address, time.monotonic())
        self._crew.introduced(record)
        self.tail.actor_started(record)
        self._undertaker.watch(hello.id, hello.pid, hello.address)
        self._wakes.serve()

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.WAKE:
            question = messages.decode(payload, Wake)
            wake = WaitingWake(link, number, question.key, time.monotonic())
            self._wakes.answer(wake, only_here=question.only_here)
        elif kind == Kind.REPORT:
            record = self._record_of(link)
            if record is not None:
                self._on_report(record, messages.decode(payload, Report))
        elif kind == Kind.SEEN:
            self.tail.on_seen(messages.decode(payload, SeenBatch))
        elif kind == Kind.COUNTS and link.peer is not None:
            self.counts.gateway_reports(link.peer.id, messages.decode(payload, GatewayReport))

    def _on_report(self, record: ActorRecord, report: Report) -> None:
        record.owner = report.owner
        if report.counts is not None:
            self.counts.room_actors.take(record.id, report.counts)
        now_s = time.monotonic()
        self.pool.report(record, report.rooms, report.memory_bytes, now_s, report.failed)
        if record.version == self.pool.version:
            self._tried.take(report)
        self.orders.look()
        self._wakes.serve()

    def _on_lost(self, link: Link) -> None:
        record = self._record_of(link)
        if record is None:
            self._wakes.forget(link)
            if link.peer is not None:
                self.counts.gateway_gone(link.peer.id)
            return
        self.counts.room_actors.forget(record.id)
        record.link = None
        keys = self.pool.remove(record)
        self._gone()
        self.orders.look()
        if record.state is not ActorState.ENDING:
            log.warning("room actor %s is gone, it had %d rooms", record.id, len(keys))
        if record.state is not ActorState.ENDING or not self._crew.started_here(record):
            self._crew.kill(record)  # one that another manager started has nobody else
        self._undertaker.bury(record.id, record.owner, keys)
        self._fill()

    def _record_of(self, link: Link) -> ActorRecord | None:
        if link.peer is None:
            return None
        record = self.pool.actors.get(link.peer.id)
        return record if record is not None and record.link is link else None

    # Looking after the pool

    def _fill(self) -> None:
        if not self._stopping and not self.mover.draining:
            missing = self._demand.missing(self._wakes.by_party, time.monotonic())
            self._crew.fill(self._wakes.plain, missing)

    def _gone(self) -> None:
        self._one_is_gone.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self._look_around()
            except Exception:  # one bad look must not be the last
                log.exception("the hibernation manager could not look after its rooms")

    def _look_around(self) -> None:
        now_s = time.monotonic()
        self.metrics.rooms_waiting = len(self._wakes)
        self.tail.look()
        self._wakes.give_up(now_s, self._crew.start_error)
        self._wakes.make_places()
        self.mover.move_outdated()
        self._caretaker.look(self._wakes.by_party, now_s)
        self._fill()
