"""The router of a gateway: takes each room's events to the room actor that has the room.

It has a room actor found (`room_finder.py`) when a room has events and none, sends again what a
lost one had not finished, and gives up on rooms for which none is found. Routes (`route.py`) hold
the events; this is the I/O around them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import struct
from collections.abc import Callable
from typing import Protocol

import msgspec

from ..actors import messages
from ..actors.frames import ASIDE, DONE, GONE_LOST, GONE_RETURN, Kind, pack
from ..actors.link import Link
from ..actors.links import Links
from ..actors.messages import Attach, ConnectionRecord, Hello, Refused, RoomKey
from ..actors.network import Network
from ..actors.tasks import Tasks
from .directory import Directory
from .manager_client import Managers
from .room_finder import CANNOT_WAKE, NotFound, RoomFinder
from .route import PendingEvent, Route, Socket

log = logging.getLogger(__name__)

_ABOUT_THE_ROOM = frozenset(map(int, (Kind.GONE, Kind.REFUSED, Kind.READY, Kind.TRYING)))


class RoomListener(Protocol):
    """Who is told what rooms say: the gateway."""

    def on_room_frame(self, route: Route, kind: int, number: int, payload: bytes) -> None: ...

    def on_room_left(self, route: Route) -> None: ...

    def on_event_failed(
        self, route: Route, event: PendingEvent, why: str, *, try_again: bool
    ) -> None: ...

    @property
    def patient(self) -> bool:
        """Whether events wait for rooms that cannot start, as their version may be given up."""


class Router:
    """All routes of a gateway."""

    def __init__(
        self,
        me: Hello,
        managers: Managers,
        listener: RoomListener,
        clock: Callable[[], float],
        network: Network | None = None,
        directory: Directory | None = None,
    ) -> None:
        """`directory` tells of rooms on other nodes of `network`; None where there are none."""
        self._listener = listener
        self._clock = clock
        self._network = network
        links = Links(me, self._on_frame, self._on_lost, network)
        self._finder = RoomFinder(links, managers, clock, network, directory)
        self._routes: dict[RoomKey, Route] = {}
        self._by_channel: dict[int, Route] = {}
        self._channels = itertools.count(1)
        self._sequences = itertools.count(1)
        self._tasks = Tasks("the router")
        self._placing: dict[RoomKey, asyncio.Task[None]] = {}

    def introduce(self, me: Hello) -> None:
        """Say this of oneself on links that are opened from now on."""
        self._finder.introduce(me)

    @property
    def route_count(self) -> int:
        """Rooms of which something is here: a client, or events."""
        return len(self._routes)

    def route(self, key: RoomKey) -> Route:
        """The route of a room, made when there is none."""
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = Route(key)
        return route

    def known(self, key: RoomKey) -> Route | None:
        """The route of a room of which something is here: a client, or events."""
        return self._routes.get(key)

    @property
    def is_placing(self) -> bool:
        """Whether a room actor is being looked for, for any room."""
        return any(route.placing for route in self._routes.values())

    # Events to rooms

    def send(
        self, route: Route, kind: int, number: int, payload: bytes, source: Socket | None = None
    ) -> int:
        """Take an event to its room; it is kept until the room has finished it.

        Returns its number in the sequence of all events.
        """
        sequence = next(self._sequences)
        route.add(PendingEvent(kind, number, sequence, payload), source)
        link = route.link
        if link is not None:
            link.write(pack(kind, route.channel, number, sequence, payload))
        elif not route.placing:
            self._start_placing(route)
        return sequence

    def send_connect(self, route: Route, record: ConnectionRecord) -> None:
        """Take a new connection to its room."""
        sequence = self.send(route, Kind.CONNECT, record.number, messages.encode(record))
        route.add_connection(record, sequence)

    def send_aside(self, route: Route, kind: int, number: int, payload: bytes) -> None:
        """Tell the room actor that the room has now something that is no event of the room."""
        if route.link is not None:
            route.link.write(pack(kind, route.channel | ASIDE, number, 0, payload))

    # Finding room actors

    def come(self, key: RoomKey, address: str) -> bool:
        """A room that is awake at an address waits for the gateways that hold clients of it.

        Returns False if there is none here. What else is done to find the room is given up.
        """
        route = self._routes.get(key)
        if route is None or not route.has_connections:
            return False
        if route.link is None:
            self._start_placing(route, address)
        elif route.address != address:
            self._tasks.spawn(self._follow(route, address))
        return True

    async def _follow(self, route: Route, address: str) -> None:
        """Leave a room actor for the one that has the room now, if that is so."""
        is_there = await self._finder.is_at(route, address)
        if is_there and route.link is not None and route.address != address:
            self._by_channel.pop(route.channel, None)
            route.detach()
            self._start_placing(route, address)

    def _start_placing(self, route: Route, at: str = "") -> None:
        before = self._placing.get(route.key)
        if before is not None and before is not asyncio.current_task():
            before.cancel()
        route.placing = True
        self._placing[route.key] = self._tasks.spawn(self._place(route, at))

    async def _place(self, route: Route, at: str) -> None:
        """Attach to the room actor that has the room, or gets it; `at` is where it may be live."""
        try:
            link, address, only_live = await self._finder.find(route, at)
        except NotFound as error:
            route.placing = False
            self._fail_all(route, str(error), try_again=True)
        else:
            self._attach(route, link, address, only_live=only_live)
        finally:
            if self._placing.get(route.key) is asyncio.current_task():
                del self._placing[route.key]

    def _attach(self, route: Route, link: Link, address: str, *, only_live: bool) -> None:
        channel = next(self._channels)
        connections = route.attach(link, channel, address)
        if link.lost:
            route.detach()
            self._after_detach(route)
            return
        self._by_channel[channel] = route
        attach = Attach(route.key, connections, route.careful_until, only_live)
        link.write(pack(Kind.ATTACH, channel, payload=messages.encode(attach)))
        for event in route.pending:
            payload = event.payload
            if event.kind == Kind.CONNECT and (record := route.record(event.number)) is not None:
                payload = messages.encode(record)  # as an earlier on_connect may have left it
            link.write(pack(event.kind, channel, event.number, event.sequence, payload))

    # Frames from rooms

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        route = self._by_channel.get(channel)
        if route is None or route.link is not link:
            return
        if kind == DONE:
            route.done(sequence)
        elif kind in _ABOUT_THE_ROOM:
            self._on_room(route, kind, sequence, payload)
        else:
            try:
                self._listener.on_room_frame(route, kind, number, payload)
            except (msgspec.MsgspecError, UnicodeDecodeError, struct.error) as error:
                # The link carries every room of that process: one bad frame must not cut it.
                log.error("room %s sent a frame that cannot be read: %s", route.key, error)

    def _on_room(self, route: Route, kind: int, sequence: int, payload: bytes) -> None:
        if kind == Kind.GONE:
            self._on_gone(route, payload)
        elif kind == Kind.REFUSED:
            self._on_refused(route, messages.decode(payload, Refused))
        elif kind == Kind.READY:
            route.give_up_s = None
            route.absent_at = ""
        elif kind == Kind.TRYING:
            route.try_event(sequence)

    def _on_gone(self, route: Route, how: bytes) -> None:
        del self._by_channel[route.channel]
        self._listener.on_room_left(route)
        if how not in (b"", GONE_LOST, GONE_RETURN):
            self._room_lost(route)
            return
        route.detach()
        if how == GONE_LOST:
            route.failures += 1
        self._after_detach(route, come_back=how != b"")

    def _on_refused(self, route: Route, refused: Refused) -> None:
        del self._by_channel[route.channel]
        route.absent_at = route.address if refused.reason == "absent" else ""
        route.detach()
        route.failures += 1
        if refused.reason == "unknown party":
            self._fail_all(route, refused.message, try_again=False)
        elif refused.reason == "start failed" and not self._listener.patient:
            # The event that woke the room fails; the next one tries again, later and later.
            event = route.give_up_first()
            if event is not None:
                self._listener.on_event_failed(route, event, refused.message, try_again=False)
        self._after_detach(route, come_back=refused.reason in ("held", "absent", "storage"))

    def _on_lost(self, link: Link) -> None:
        for channel, route in list(self._by_channel.items()):
            if route.link is link:
                del self._by_channel[channel]
                self._listener.on_room_left(route)
                if link.vanished:
                    # A node or a network is to blame, and no event.
                    route.detach()
                    route.failures += 1
                    self._after_detach(route, come_back=True)
                else:
                    self._room_lost(route)

    def _room_lost(self, route: Route) -> None:
        guilty = route.lost()
        if guilty is not None:
            log.error("room %s died twice on an event of connection %d", route.key, guilty.number)
            self._listener.on_event_failed(
                route, guilty, "the room died handling this", try_again=False
            )
        self._after_detach(route, come_back=True)

    def _after_detach(self, route: Route, *, come_back: bool = False) -> None:
        """Look for the room again if it is needed here.

        `come_back`: it did not hibernate. Where there are several gateways, another may be having
        it woken, and the clients here must not miss what it says.
        """
        too_late = route.give_up_s is not None and self._clock() > route.give_up_s
        wanted = come_back and self._network is not None and route.has_connections
        if wanted and not route.pending and not too_late:
            self._start_placing(route)
        elif not route.pending:
            route.give_up_s = None
            self.forget_if_unused(route)
        elif too_late:
            self._fail_all(route, CANNOT_WAKE, try_again=True)
        else:
            self._start_placing(route)

    def _fail_all(self, route: Route, why: str, *, try_again: bool) -> None:
        log.warning("room %s: %d events given up: %s", route.key, len(route.pending), why)
        kept = route.set_aside_closes() if try_again else []
        while (event := route.give_up_first()) is not None:
            self._listener.on_event_failed(route, event, why, try_again=try_again)
        route.give_up_s = None
        if kept:
            # The room knows these clients and has to hear that they left, whenever it can.
            route.take_back(kept)
            self._start_placing(route)
        self.forget_if_unused(route)

    def forget_if_unused(self, route: Route) -> None:
        """Drop a route of which nothing is left here."""
        if route.unused and self._routes.get(route.key) is route:
            del self._routes[route.key]

    async def close(self) -> None:
        """Close every link; events that are not done are dropped."""
        self._tasks.cancel()
        await self._finder.close()
