"""The room actor: the process that runs rooms.

It listens for gateways on a Unix socket of its own, and over TCP for those of other nodes, is told
by the hibernation manager when a room has to leave, and tells the manager in turn what its rooms
do. It knows nothing of Ray: the Ray actor around it (`ray_actor.py`) only starts and stops it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ..storage import Backend
from ..storage.opening import open_backend
from ..storage.redis_connection import RedisConnection
from . import messages
from .call_line import CallLine
from .counts import ProcessCounts
from .frames import ASIDE, Kind, pack
from .lease import Lease
from .link import Link, connect, listen, listen_to_nodes
from .live_room import LiveRoom
from .mailbox import MailboxFull
from .messages import Attach, Hello, Leave, Refused, Report, RoomKey, RoomReport
from .network import Address, Network, TlsFiles, manager_address, node_folder
from .options import RoomOptions, options_of
from .resources import NO_RESOURCES, ActorResources
from .room import Room
from .silence import ProcessLease, Silence
from .summoner import Summoner
from .surroundings import Surroundings
from .watch import SEND_S, Watch, Watching

log = logging.getLogger(__name__)

REPORT_INTERVAL_S = 0.25
MANAGER_PATIENCE_S = 20.0  # for a manager that died to be back
MANAGER_RETRY_S = 0.2
FAILED_REPORTED_MAX = 1000  # rooms that could not start, in one report
LEAVE_TIMEOUT_S = 5.0  # for all rooms to leave in good order when the process has to end
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class RoomActorSettings:
    """What a room actor is started with."""

    id: str
    folder: str  # of the sockets, which only the owner may enter
    manager_address: str
    redis_url: str = field(repr=False)
    version: int
    network: Network | None = None  # None: no other node is there
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # see Room.env
    resources: ActorResources = NO_RESOURCES

    def moved_to(self, node_id: str, host: str, tls: TlsFiles | None) -> RoomActorSettings:
        """The same on another node of the network, and with that node's manager."""
        assert self.network is not None
        folder = node_folder(node_id)
        network = replace(self.network, folder=folder, host=host, tls=tls)
        address = manager_address(folder)
        return replace(self, folder=folder, manager_address=address, network=network)


TakeLease = Callable[[str, str, str, Callable[[], None]], ProcessLease]


class RoomActor:
    """Runs rooms of the parties it was given, as many as gateways attach to."""

    def __init__(
        self,
        settings: RoomActorSettings,
        parties: Mapping[str, type[Room]],
        *,
        open_storage: Callable[[str], Awaitable[Backend]] = open_backend,
        take_lease: TakeLease = Lease,
        clock: Callable[[], float] = time.monotonic,
        callable_parties: Collection[str] | None = None,
    ) -> None:
        """`open_storage` and `take_lease` are given the URL of the rooms' server.

        `callable_parties` are those whose rooms may be called from here: by default `parties`.
        """
        self.settings = settings
        self.address = os.path.join(settings.folder, f"room-{settings.id}.sock")  # until `start`
        self.ended = asyncio.Event()
        self._parties: dict[str, tuple[type[Room], RoomOptions]] = {
            party: (room_class, options_of(room_class)) for party, room_class in parties.items()
        }
        self._rooms: dict[RoomKey, LiveRoom] = {}
        self._channels: dict[tuple[Link, int], LiveRoom] = {}
        self.links: set[Link] = set()
        self._open_storage = open_storage
        self._take_lease = take_lease
        self._clock = clock
        self._lease: ProcessLease
        self._silence: Silence
        self._backend: Backend
        self._around: Surroundings
        self._summoner: Summoner | None = None
        self._manager: Link | None = None
        self._servers: list[asyncio.AbstractServer] = []
        self._reporter: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._report_due = False
        self._failed: list[RoomKey] = []  # rooms, to be reported
        known = parties.keys() if callable_parties is None else callable_parties
        self._line = CallLine(settings.folder, settings.id, known, self._may_leave)
        self._counts = ProcessCounts()
        self._watch = Watch()
        self._showing: asyncio.Task[None] | None = None  # while somebody follows
        self._stopping = False

    def __repr__(self) -> str:
        return f"<RoomActor {self.settings.id}, {len(self._rooms)} rooms>"

    async def start(self) -> None:
        """Open storage, take the lease, listen, and report to the manager as a standby.

        Raises:
            StorageError: If the server of the rooms cannot be reached or must not be used.
            OSError: If the manager is not there.
        """
        settings = self.settings
        loop = asyncio.get_running_loop()
        self._backend = await self._open_storage(settings.redis_url)
        await self._listen()

        def on_lost() -> None:
            loop.call_soon_threadsafe(self._silence.begin)

        self._lease = self._take_lease(settings.redis_url, settings.id, self.address, on_lost)
        self._silence = Silence(self, self._lease, self._take_name)
        await asyncio.to_thread(self._lease.start)
        if settings.network is not None:
            self._summoner = Summoner(
                self._hello(), settings.network, self._backend.lease_alive, self._may_leave
            )
        self._around = Surroundings(
            self._backend,
            settings.id,
            self.address,
            self._clock,
            self._room_absent,
            watch=self._watch,
            summoner=self._summoner,
            env=MappingProxyType(settings.env),
            line=self._line,
        )
        await self._meet_manager()
        self._reporter = loop.create_task(self._keep_reporting())

    async def _listen(self) -> None:
        # Before the lease is there, as it tells the address; who does not know that cannot come.
        path, network = self.address, self.settings.network
        calls = (self._on_frame, self._on_link_lost)
        self._servers.append(await listen(path, *calls, may_leave=self._may_leave))
        if network is not None:
            server, port = await listen_to_nodes(network, *calls, may_leave=self._may_leave)
            self._servers.append(server)
            self.address = str(Address(path, network.host, port))

    async def stop(self, reason: str) -> None:
        """Let every room leave in good order, then close everything.

        Rooms that need longer than `LEAVE_TIMEOUT_S` are left to their gateways and the lease.
        """
        if self._stopping:
            return
        self._stopping = True
        rooms = list(self._rooms.values())
        for room in rooms:
            room.leave(reason)
        if rooms:
            await asyncio.wait(
                [asyncio.ensure_future(room.ended()) for room in rooms], timeout=LEAVE_TIMEOUT_S
            )
        await self._silence.stop()
        if self._reporter is not None:
            self._reporter.cancel()
        for server in self._servers:
            server.close()
        for link in list(self.links):
            link.close()
        if self._summoner is not None:
            self._summoner.close()
        self._line.close()
        await asyncio.to_thread(self._lease.stop)
        await self._backend.close()
        if self._manager is not None:
            self._manager.close()
        self.ended.set()

    @property
    def rooms(self) -> list[LiveRoom]:
        """The rooms that are in this process now."""
        return list(self._rooms.values())

    # Links of gateways

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        room = self._channels.get((link, channel))
        if room is not None:
            try:
                room.deliver(link, channel, kind, number, sequence, payload)
            except MailboxFull as error:
                log.error("closing %r: %s", link, error)
                link.abort()
        elif kind == Kind.ATTACH:
            self.links.add(link)
            self._attach(link, channel, messages.decode(payload, Attach))
        elif (room := self._channels.get((link, channel ^ ASIDE))) is not None:
            room.hear(link, channel ^ ASIDE, kind, number, payload)
        # Anything else is meant for a room that has just left: its gateway still holds it.

    def _attach(self, link: Link, channel: int, attach: Attach) -> None:
        room = self._rooms.get(attach.key)
        if room is None:
            if self._silence.is_on:
                self._refuse(link, channel, Refused("held", "this room actor has no lease"))
                return
            if attach.only_live:
                self._refuse(link, channel, Refused("absent", "the room is not live here"))
                return
            if self._stopping:
                self._refuse(link, channel, Refused("held", "this room actor is ending"))
                return
            party = self._parties.get(attach.key.party)
            if party is None:
                why = f"no party {attach.key.party!r} is deployed here"
                self._refuse(link, channel, Refused("unknown party", why))
                return
            counts = self._counts.party(attach.key.party)
            room = LiveRoom(attach.key, *party, self._around, counts)
            self._rooms[attach.key] = room
            room.start()
        self._channels[link, channel] = room
        room.attach(link, channel, attach)

    def _refuse(self, link: Link, channel: int, refused: Refused) -> None:
        link.say_now(pack(Kind.REFUSED, channel, payload=messages.encode(refused)))

    def _on_link_lost(self, link: Link) -> None:
        self.links.discard(link)
        for attached in [key for key in self._channels if key[0] is link]:
            del self._channels[attached]
        for room in list(self._rooms.values()):
            room.detach(link)

    # Rooms and the lease

    def _room_absent(self, room: LiveRoom) -> None:
        self._rooms.pop(room.key, None)
        if room.start_failed and len(self._failed) < FAILED_REPORTED_MAX:
            self._failed.append(room.key)
        for attachment in room.attachments:
            self._channels.pop((attachment.link, attachment.channel), None)
        if not self._report_due:
            # One report for all rooms that leave in this turn, as each lists those that are left.
            self._report_due = True
            asyncio.get_running_loop().call_soon(self._report)

    def _may_leave(self) -> bool:
        return self._silence.may_leave()

    def speak(self) -> None:
        """Say what was held while the process had no lease."""
        for link in list(self.links):
            link.flush()
        self._line.resume()

    def _take_name(self, owner: str) -> None:
        self._around = replace(self._around, owner=owner)

    # The manager

    def _on_manager_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.HIBERNATE:
            order = messages.decode(payload, Leave)
            room = self._rooms.get(order.key)
            if room is not None and order.reason == "reset":
                room.break_off("an operator has ordered it")
            elif room is not None:
                room.leave(order.reason)
        elif kind == Kind.WATCH:
            self._watch_from_now_on(messages.decode(payload, Watching))
        elif kind == Kind.EXIT:
            self._end(payload.decode())

    def _watch_from_now_on(self, watching: Watching) -> None:
        self._watch.set(watching)
        if watching.on and (self._showing is None or self._showing.done()):
            self._showing = asyncio.get_running_loop().create_task(self._keep_showing())

    async def _keep_showing(self) -> None:
        while self._watch.on and not self._stopping:
            # What the manager does not read in time is dropped where it is counted.
            if self._manager is not None and not self._manager.paused:
                batch = self._watch.take()
                if batch is not None:
                    self._manager.write(pack(Kind.SEEN, payload=messages.encode(batch)))
            await asyncio.sleep(SEND_S)

    async def _meet_manager(self) -> None:
        settings = self.settings
        hello = self._hello()
        self._manager = await connect(
            settings.manager_address, hello, self._on_manager_frame, self._on_manager_lost
        )
        self._report()

    def _hello(self) -> Hello:
        own = self.settings
        return Hello("room actor", own.id, os.getpid(), self.address, own.version, own.resources)

    def _on_manager_lost(self, link: Link) -> None:
        self._manager = None
        self._watch.set(Watching(False))  # the next one says so if somebody follows
        if not self._stopping:
            self._spawn(self._find_manager_again())

    async def _find_manager_again(self) -> None:
        give_up_s = time.monotonic() + MANAGER_PATIENCE_S
        while time.monotonic() < give_up_s:
            await asyncio.sleep(MANAGER_RETRY_S)
            try:
                await self._meet_manager()
            except OSError:
                continue
            return
        log.warning("the hibernation manager does not come back: this room actor ends")
        await self.stop("shutdown")

    def _end(self, reason: str) -> None:
        self._spawn(self.stop(reason))

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_reporting(self) -> None:
        while True:
            self._report()
            await asyncio.sleep(REPORT_INTERVAL_S)
            for room in list(self._rooms.values()):
                room.check_time()

    def _report(self) -> None:
        self._report_due = False
        if self._manager is None:
            return
        rooms = [
            RoomReport(
                room.key,
                "idle" if room.idle else room.state.value,
                room.last_event_s,
                room.attachments.connection_count,
                room.started_s,
            )
            for room in self._rooms.values()
        ]
        self._counts.lease_losses = self._silence.count
        self._counts.redis_reconnects = RedisConnection.reconnects
        report = Report(rooms, resident_bytes(), self._lease.owner, self._failed, self._counts)
        self._manager.write(pack(Kind.REPORT, payload=messages.encode(report)))
        self._failed.clear()


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
