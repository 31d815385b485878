"""The room actor: the process that runs rooms.

It listens for gateways on a Unix socket of its own, and over TCP for those of other nodes, is told
by the hibernation manager when a room has to leave, and tells the manager in turn what its rooms
do (`manager_line.py`). It knows nothing of Ray: the Ray actor around it (`ray_actor.py`) only
starts and stops it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from ..storage import Backend
from ..storage.opening import open_backend
from ..storage.redis_connection import RedisConnection
from . import messages
from .call_line import CallLine
from .counts import ProcessCounts
from .frames import ASIDE, Kind, pack
from .lease import Lease
from .link import Link, listen, listen_to_nodes
from .live_room import LiveRoom
from .mailbox import MailboxFull
from .manager_line import ManagerLine
from .messages import Attach, Hello, Leave, Refused, Report, RoomKey, RoomReport
from .network import Address
from .options import RoomOptions, options_of
from .room import Room
from .room_actor_settings import RoomActorSettings
from .silence import ProcessLease, Silence
from .summoner import Summoner
from .surroundings import Surroundings
from .watch import Watch

log = logging.getLogger(__name__)

REPORT_INTERVAL_S = 0.25
FAILED_REPORTED_MAX = 1000  # rooms that could not start, in one report
LEAVE_TIMEOUT_S = 5.0  # for all rooms to leave in good order when the process has to end
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
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
        self.stopping = False
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
        self._servers: list[asyncio.AbstractServer] = []
        self._ticking: asyncio.Task[None] | None = None
        self._failed: list[RoomKey] = []  # rooms, to be reported
        known = parties.keys() if callable_parties is None else callable_parties
        self._line = CallLine(settings.folder, settings.id, known, self._may_leave)
        self._counts = ProcessCounts()
        self._watch = Watch()
        self._manager = ManagerLine(settings.manager_address, self, self._watch)

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
                self.hello(), settings.network, self._backend.lease_alive, self._may_leave
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
        await self._manager.open()
        self._ticking = loop.create_task(self._tick())

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
        if self.stopping:
            return
        self.stopping = True
        rooms = list(self._rooms.values())
        for room in rooms:
            room.leave(reason)
        if rooms:
            await asyncio.wait(
                [asyncio.ensure_future(room.ended()) for room in rooms], timeout=LEAVE_TIMEOUT_S
            )
        await self._silence.stop()
        if self._ticking is not None:
            self._ticking.cancel()
        for server in self._servers:
            server.close()
        for link in list(self.links):
            link.close()
        if self._summoner is not None:
            self._summoner.close()
        self._line.close()
        await asyncio.to_thread(self._lease.stop)
        await self._backend.close()
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
            refused = self._refusal(attach)
            if refused is not None:
                link.say_now(pack(Kind.REFUSED, channel, payload=messages.encode(refused)))
                return
            party = attach.key.party
            counts = self._counts.party(party)
            room = LiveRoom(attach.key, *self._parties[party], self._around, counts)
            self._rooms[attach.key] = room
            room.start()
        self._channels[link, channel] = room
        room.attach(link, channel, attach)

    def _refusal(self, attach: Attach) -> Refused | None:
        """Why a room that is not here may not be started here, if it may not."""
        if self._silence.is_on:
            return Refused("held", "this room actor has no lease")
        if attach.only_live:
            return Refused("absent", "the room is not live here")
        if self.stopping:
            return Refused("held", "this room actor is ending")
        if attach.key.party not in self._parties:
            return Refused("unknown party", f"no party {attach.key.party!r} is deployed here")
        return None

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
        if self._rooms:
            self._manager.report_soon()
        else:
            # Ahead of the good-byes: a gateway that asks at once is not sent back here.
            self._manager.report()
            self._manager.flush()

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

    def hello(self) -> Hello:
        """See `Managed`."""
        own = self.settings
        return Hello("room actor", own.id, os.getpid(), self.address, own.version, own.resources)

    def obey(self, order: Leave) -> None:
        """See `Managed`."""
        room = self._rooms.get(order.key)
        if room is not None and order.reason == "reset":
            room.break_off("an operator has ordered it")
        elif room is not None:
            room.leave(order.reason)

    async def _tick(self) -> None:
        while True:
            self._manager.report()
            await asyncio.sleep(REPORT_INTERVAL_S)
            for room in self.rooms:
                room.check_time()

    def report(self) -> Report:
        """See `Managed`."""
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
        failed, self._failed = self._failed, []
        return Report(rooms, resident_bytes(), self._lease.owner, failed, self._counts)


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
