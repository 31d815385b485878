"""A node in this process: the real gateway and room actors, and a small manager between them.

What is not real is what only several processes have: Ray, which starts them, the lease, by which
they tell that others have died, and the server of the rooms, whose place storage in memory takes.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable

from ..actors import messages
from ..actors.edge import Edge, EdgeSettings
from ..actors.frames import Kind, pack
from ..actors.link import Link, listen
from ..actors.live_room import LiveRoom
from ..actors.messages import Hello, Placed, RoomKey, Wake
from ..actors.options import options_of
from ..actors.room import Room
from ..actors.room_actor import RoomActor
from ..actors.room_actor_settings import RoomActorSettings
from ..actors.tasks import Tasks
from ..runtime.gateway import Gateway
from ..runtime.gateway_news import GatewayNews
from ..runtime.hibernation import NodeSnapshot, RoomSnapshot, departures, may_hibernate
from ..runtime.release import Assets
from ..runtime.settings import GatewaySettings
from .backend import HeldBackend, NoLease
from .clock import in_machinery

VERSION = 1  # of the classes, whichever a test deploys
NO_SERVER = "memory"  # what stands where a URL of the rooms' server does


class Node:
    """Runs rooms of the parties that it knows, each in a room actor that starts with the first."""

    def __init__(self, clock: Callable[[], float], public_folder: str | None = None) -> None:
        """`clock` tells the seconds by which rooms are idle or too slow."""
        self.backend = HeldBackend()
        self.parties: dict[str, type[Room]] = {}
        self.env: dict[str, str] = {}
        # In /tmp: the path of a socket is short.
        self._folder = tempfile.mkdtemp(prefix="parlour-")
        self._clock = clock
        settings = GatewaySettings(
            host="127.0.0.1",
            port=0,
            manager_address=f"{self._folder}/manager.sock",
            redis_url=NO_SERVER,
        )
        self._assets = Assets(public_folder or "")
        self.gateway = Gateway(settings, self._news(), self._open)
        self._edge = Edge(
            EdgeSettings(settings.edge_address(VERSION), VERSION, self.env), self.parties
        )
        self._actors: dict[str, asyncio.Task[RoomActor]] = {}  # of each party
        self._tasks = Tasks("the node")
        self._links: set[Link] = set()  # of whoever has a question to the manager
        self._manager: asyncio.AbstractServer

    async def start(self) -> None:
        """Listen."""
        token = in_machinery.set(True)
        try:
            path = self.gateway.settings.manager_address
            self._manager = await listen(
                path, self._on_frame, self._links.discard, on_hello=self._on_hello
            )
            await self._edge.start()
            await self.gateway.start()
        finally:
            in_machinery.reset(token)

    async def stop(self) -> None:
        """Let every room leave in good order, and close everything."""
        await self.gateway.stop()
        await self._edge.stop()
        for task in list(self._actors.values()):
            await (await task).stop("shutdown")
        self._manager.close()
        for link in list(self._links):
            link.abort()
        shutil.rmtree(self._folder, ignore_errors=True)

    def deploy(self, party: str, room_class: type[Room]) -> None:
        """Make a party known."""
        self.parties[party] = room_class
        self.gateway.use(self._news())

    def _news(self) -> GatewayNews:
        options = {party: options_of(each) for party, each in self.parties.items()}
        return GatewayNews(VERSION, options, assets=self._assets)

    # The rooms

    def live_rooms(self) -> list[LiveRoom]:
        """Those that are in a process now."""
        actors = [task.result() for task in self._actors.values() if task.done()]
        return [room for actor in actors for room in actor.rooms]

    def live_room(self, key: RoomKey) -> LiveRoom | None:
        """That one, if it is."""
        return next((room for room in self.live_rooms() if room.key == key), None)

    def may_hibernate(self, room: LiveRoom) -> bool:
        """Whether it could now."""
        return may_hibernate(snapshot(room), options_of(self.parties[room.key.party]))

    def next_moment(self, now_s: float, day_s: float) -> float | None:
        """When, on the loop's clock, a room hibernates or an alarm is due first from now on."""
        moments = []
        for room in self.live_rooms():
            options = options_of(self.parties[room.key.party])
            moments.append(room.last_event_s + options.hibernate_after_s)
            if options.lifetime_s_max is not None:
                moments.append(room.started_s + options.lifetime_s_max)
        due_ms = self.backend.next_due_ms()
        if due_ms is not None:
            # An alarm is due in the millisecond after its own.
            moments.append(now_s + (due_ms + 2) / 1000 - day_s)
        return min((moment for moment in moments if moment > now_s), default=None)

    def check_time(self) -> None:
        """Cancel hooks that are over their limit."""
        for room in self.live_rooms():
            room.check_time()

    async def look(self) -> None:
        """Do now what the manager and the gateway look for every now and then."""
        rooms = [snapshot(room) for room in self.live_rooms()]
        options = {party: options_of(of) for party, of in self.parties.items()}
        here = NodeSnapshot(self._clock(), rooms, 0, short_of_memory=False)
        for departure in departures(here, options):
            room = self.live_room(departure.key)
            if room is not None:
                room.leave(departure.reason)
        await self.gateway.alarm_clock.look()

    # The manager

    def _on_hello(self, link: Link, hello: Hello) -> None:
        self._links.add(link)

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.WAKE:
            self._tasks.spawn(self._place(link, number, messages.decode(payload, Wake)))

    async def _place(self, link: Link, number: int, wake: Wake) -> None:
        placed = Placed((await self._actor(wake.key.party)).address)
        link.write(pack(Kind.PLACED, number=number, payload=messages.encode(placed)))

    async def _actor(self, party: str) -> RoomActor:
        if party not in self._actors:
            starting = self._start_actor(party, f"r{len(self._actors) + 1}")
            self._actors[party] = asyncio.get_running_loop().create_task(starting)
        return await asyncio.shield(self._actors[party])

    async def _start_actor(self, party: str, actor_id: str) -> RoomActor:
        settings = RoomActorSettings(
            actor_id,
            self._folder,
            self.gateway.settings.manager_address,
            NO_SERVER,
            VERSION,
            env=self.env,
        )
        actor = RoomActor(
            settings,
            {party: self.parties[party]},
            open_storage=self._open,
            take_lease=NoLease,
            clock=self._clock,
            callable_parties=self.parties.keys(),
        )
        await actor.start()
        return actor

    async def _open(self, url: str) -> HeldBackend:
        return self.backend


def snapshot(room: LiveRoom) -> RoomSnapshot:
    """A room as the manager sees it; its memory is the test's own and not looked at."""
    return RoomSnapshot(
        room.key,
        room.idle,
        room.attachments.connection_count,
        room.started_s,
        room.last_event_s,
        0,
        1,
    )
