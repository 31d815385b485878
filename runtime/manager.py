"""The hibernation manager: one per node. Keeps the standby pool, places rooms, sends them to sleep.

Gateways ask it where a room is; it answers with the room actor that has it, gives it a standby, or
names the manager of another node where this one is short of something. Room actors report to it.
Who starts them is in `crew.py`, who tells rooms to leave in `mover.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Coroutine, Sequence

from ..actors import messages
from ..actors.counts import GatewayReport
from ..actors.frames import Kind, pack
from ..actors.link import Link, listen, listen_to_nodes
from ..actors.messages import Hello, Placed, Report, RoomKey, Wake
from ..actors.network import Address
from ..actors.resources import ActorResources
from ..actors.watch import SeenBatch
from . import memory, sockets_folder
from .burial import Undertaker
from .crew import TRIAL_TIMEOUT_S, ActorStarter, Crew
from .demand import Demand
from .deployment import Deployment
from .metrics import NodeMetrics
from .mover import RoomMover, tell
from .node_counts import NodeCounts
from .placement import NodeLoad, elsewhere
from .pool import ActorRecord, ActorState, Pool
from .redirects import Redirects
from .room_orders import RoomOrders
from .settings import ManagerSettings
from .status import ManagerStatus
from .tail import Tail
from .waiting import WaitingWake, WaitingWakes

log = logging.getLogger(__name__)

TICK_S = 0.2
HURRY_S = 0.02  # from a room that finds no place to a look who could give one up
STOP_TIMEOUT_S = 6.0
PEERS_STALE_S = 5.0  # what the other nodes said of themselves counts for so long
TRIED_ROOMS_MAX = 1000  # of a version, that are told apart


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
        self._crew = Crew(
            settings, starter, self.pool, self._spawn, self._gone, self._joined_another
        )
        self._demand = Demand(self.pool)
        self._undertaker = Undertaker(settings.redis_url)
        self.orders = RoomOrders(self.pool, self.mover, self._end_at_once)
        self.counts = NodeCounts()
        self.tail = Tail(self.pool)
        self.metrics = NodeMetrics(self.pool, self.counts)
        self._redirects = Redirects()
        self._waiting = WaitingWakes()
        self._peers: Sequence[NodeLoad] = ()
        self._peers_heard_s = 0.0
        self._started_rooms: set[RoomKey] = set()  # with the version in use
        self._failed_rooms: set[RoomKey] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.AbstractServer] = []
        self._one_is_gone = asyncio.Event()
        self._hurry: asyncio.TimerHandle | None = None
        self._stopping = False

    def __repr__(self) -> str:
        return f"<HibernationManager {self.pool}, {len(self._waiting)} waiting>"

    async def start(self, deployed: Deployment | None) -> None:
        """Listen for gateways and room actors; take over what an earlier manager had deployed.

        Raises:
            OSError: If it cannot listen, or the folder of the sockets is not its own.
        """
        if deployed is not None:
            self.use(deployed, within_s=None)
        network = self.settings.network
        sockets_folder.make(self.settings.folder)
        calls = (self._on_frame, self._on_lost)
        path = self.settings.address
        self._servers.append(await listen(path, *calls, on_hello=self._on_hello))
        if network is not None:
            server, port = await listen_to_nodes(network, *calls, on_hello=self._on_hello)
            self._servers.append(server)
            self.address = str(Address(path, network.host, port))
        self._spawn(self._tick())

    async def stop(self) -> None:
        """Let every room leave in good order and end every room actor."""
        self._stopping = True
        for record in self.pool.actors.values():
            self._crew.kill_if_starting(record)
            self._end(record, b"shutdown")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._all_gone()
        for record in list(self.pool.actors.values()):
            self._crew.kill(record)
        for task in self._tasks:
            task.cancel()
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
        self._started_rooms.clear()
        self._failed_rooms.clear()
        self._fill()
        if self.mover.draining:
            self.pool.retire_all()  # this version's room actors, too; the rooms have their time
        else:
            self.mover.begin(within_s)
        self._serve_waiting()

    def drain(self, within_s: float) -> None:
        """Let no room wake here any more, and have those that are live leave within the time."""
        self.mover.draining = True
        self.pool.retire_all()
        self.mover.begin(within_s)
        for wake in self._waiting.take_all():
            self._wake(wake, only_here=False)

    def redirect(self, key: RoomKey, manager_address: str, for_s: float) -> None:
        """Have a room wake on the node of that manager, which may be this one, for so long."""
        self._redirects.add(key, manager_address, time.monotonic() + for_s)

    def hear(self, peers: Sequence[NodeLoad]) -> ManagerStatus:
        """Learn what the other nodes say of themselves, and say the same of this one."""
        self._peers, self._peers_heard_s = peers, time.monotonic()
        pool = self.pool
        return ManagerStatus(
            load=self._load(),
            version=pool.version,
            live_rooms=pool.room_count,
            outdated_rooms=len(self.mover.outdated()),
            room_actors=len(pool.actors),
            standbys=pool.count(ActorState.STANDBY),
            waiting=len(self._waiting),
            started_rooms=len(self._started_rooms),
            failed_rooms=len(self._failed_rooms),
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
        self._serve_waiting()

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.WAKE:
            question = messages.decode(payload, Wake)
            wake = WaitingWake(link, number, question.key, time.monotonic())
            self._wake(wake, only_here=question.only_here)
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
            self._count(report)
        self.orders.look()
        self._serve_waiting()

    def _count(self, report: Report) -> None:
        """Rooms that start, and those that never have: a version is given up by their numbers."""
        started = {room.key for room in report.rooms if room.state in ("live", "idle")}
        if len(self._started_rooms) < TRIED_ROOMS_MAX:
            self._started_rooms |= started
        failed = [key for key in report.failed if key not in self._started_rooms]
        self._failed_rooms.update(failed[: TRIED_ROOMS_MAX - len(self._failed_rooms)])
        self._failed_rooms -= started

    def _on_lost(self, link: Link) -> None:
        record = self._record_of(link)
        if record is None:
            self._waiting.forget(link)
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

    # Placing

    def _wake(self, wake: WaitingWake, *, only_here: bool) -> None:
        if self._waiting.full:
            self._answer(wake, Placed(error="too many rooms wait for a process"))
            return
        other = "" if only_here else self._elsewhere(wake.key)
        if other:
            self._answer(wake, Placed(elsewhere=other))
            return
        if self._undertaker.is_burying(wake.key):
            self._spawn(self._place_after_burial(wake))
        elif not self._place(wake):
            self._wait(wake)

    def _elsewhere(self, key: RoomKey) -> str:
        """The manager of the other node on which a room should wake; empty if it is this one."""
        now_s = time.monotonic()
        peers_are_known = now_s - self._peers_heard_s < PEERS_STALE_S
        redirected = self._redirects.find(key, now_s)
        if redirected == self.address:
            return ""
        if peers_are_known and any(peer.manager_address == redirected for peer in self._peers):
            return redirected
        if self.pool.find(key) is not None or not peers_are_known:
            return ""
        other = elsewhere(self._load(), self._peers)
        return other.manager_address if other is not None else ""

    async def _place_after_burial(self, wake: WaitingWake) -> None:
        await self._undertaker.buried(wake.key)
        if not self._place(wake):
            self._wait(wake)

    def _wait(self, wake: WaitingWake) -> None:
        if self.mover.draining:
            # Nothing becomes free here any more; elsewhere it may, until the gateway asks again.
            self._answer(wake, Placed(error="this node is being drained, and no other has a place"))
            return
        self._waiting.add(wake)
        self._fill()
        if self._hurry is None:
            self._hurry = asyncio.get_running_loop().call_later(HURRY_S, self._find_places)

    def _find_places(self) -> None:
        self._hurry = None
        if self._waiting and not self._stopping:
            self._make_places()

    def _make_places(self) -> None:
        self.mover.send_to_sleep(self._waiting_plain, self._demand.waiting(self._waiting.by_party))

    @property
    def _waiting_plain(self) -> int:
        """Rooms that wait and whose parties ask for no resources."""
        rooms = self._waiting.by_party.items()
        return sum(count for party, count in rooms if not self._demand.resources_of(party))

    def _place(self, wake: WaitingWake) -> bool:
        record = self.pool.assign(wake.key, time.monotonic())
        if record is None:
            return False
        self._answer(wake, Placed(record.address))
        # The pool is refilled at the next tick: a process that starts takes the processors from
        # the room that is waking.
        return True

    def _serve_waiting(self) -> None:
        self._waiting.serve(self._place)

    def _answer(self, wake: WaitingWake, placed: Placed) -> None:
        wake.link.write(pack(Kind.PLACED, number=wake.number, payload=messages.encode(placed)))

    # Looking after the pool

    def _fill(self) -> None:
        if not self._stopping and not self.mover.draining:
            missing = self._demand.missing(self._waiting.by_party, time.monotonic())
            self._crew.fill(self._waiting_plain, missing)

    def _joined_another(self, resources: ActorResources, manager_address: str) -> None:
        """What Ray has placed on another node serves rooms there: send on who waits for it."""
        options = self.pool.options
        parties = {party for party, each in options.items() if each.resources == resources}
        count_max = min((options[party].rooms_per_actor for party in parties), default=0)
        for wake in self._waiting.take(parties, count_max):
            self._answer(wake, Placed(elsewhere=manager_address))

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
        self.metrics.rooms_waiting = len(self._waiting)
        self.tail.look()
        for wake in self._waiting.expired(now_s):
            self._give_up(wake)
        self._make_places()
        self.mover.move_outdated()
        for record in self.pool.silent(now_s):
            self._spawn(self._end_if_stopped(record))
        for record in self.pool.stuck(now_s, TRIAL_TIMEOUT_S):
            log.error("room actor %s is stuck and is ended", record.id)
            self._end_at_once(record)
        for record in self.pool.surplus():
            self._end(record, b"surplus")
        self._look_at_demand(now_s)
        self._fill()

    def _give_up(self, wake: WaitingWake) -> None:
        lacking = self._demand.unplaced(time.monotonic()).get(wake.key.party)
        if lacking:
            why = f"rooms of party {wake.key.party} need {lacking}, and no node has that free"
        else:
            why = self._crew.start_error or "no room actor became free in time"
        self._answer(wake, Placed(error=why, lacking=bool(lacking)))

    def _look_at_demand(self, now_s: float) -> None:
        for record in self._demand.surplus(self._waiting.by_party, now_s):
            self._end(record, b"surplus")
        for record in self._demand.withdrawn(now_s):
            self._crew.withdraw(record)
        for party, resources in self._demand.news(now_s).items():
            log.warning(
                "rooms of party %s wait for %s, which no node has free; Ray's autoscaler is asked",
                party,
                resources,
            )

    async def _end_if_stopped(self, record: ActorRecord) -> None:
        """A busy room actor does not report but keeps its lease; a stopped one loses it."""
        if record.owner and await self._undertaker.is_lease_gone(record.owner):
            log.warning("room actor %s has lost its lease and is ended", record.id)
            self._undertaker.kill(record.id)

    def _end_at_once(self, record: ActorRecord) -> None:
        self._undertaker.kill(record.id)
        self._crew.kill(record)

    def _end(self, record: ActorRecord, reason: bytes) -> None:
        tell(record, Kind.EXIT, reason)
        record.state = ActorState.ENDING

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("the hibernation manager met an error", exc_info=task.exception())
