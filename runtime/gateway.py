"""The gateway: holds the clients' sockets and takes what they say to their rooms.

One port for HTTP and WebSocket. A socket belongs to the gateway, not to the process of its room:
rooms hibernate, crash and move behind it. Everything a client sends is bounded; what a room says
to a client that is not there any more is dropped.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from aiohttp import web

from ..actors import messages
from ..actors.counts import GatewayReport
from ..actors.edge_hooks import BEFORE_CONNECT
from ..actors.frames import (
    Kind,
)
from ..actors.messages import (
    ConnectionRecord,
    Hello,
    RequestHead,
    RoomKey,
)
from ..actors.options import RoomOptions
from ..storage import AlarmSource
from ..storage.opening import open_backend
from .addresses import BadAddress, NothingDeployed, RoomAddress, room_address
from .admission import Asked
from .alarm_clock import AlarmClock
from .call_desk import CallDesk
from .call_endpoint import PATH as CALL_PATH
from .call_endpoint import CallEndpoint
from .client_socket import ClientSocket
from .clients import Clients
from .directory import Directory
from .doorman import Doorman
from .edge_client import EdgeClient
from .exchange import Exchange, RoomUnavailable
from .exchanges import KINDS as OF_EXCHANGES
from .exchanges import Exchanges
from .front import Front
from .gateway_news import GatewayNews
from .handshake import BadHandshake, Upgrade, connection_id
from .http_front import HttpFront, http_log
from .manager_client import Managers
from .request_notes import NotingLogger, RequestNotes
from .request_target import make_request
from .route import PendingEvent, Route
from .router import Router
from .send_buffer import send_limits
from .settings import GatewaySettings
from .static_files import StaticFiles
from .status import GatewayStatus
from .summons import SummonsDesk

log = logging.getLogger(__name__)

BACKLOG = 1024
HTTP_IDLE_S = 75.0  # for the next request of a connection, its head whole; aiohttp gives an hour
REPORT_INTERVAL_S = 1.0  # of what is counted, to the manager of the node


class Gateway:
    """One per node."""

    def __init__(
        self,
        settings: GatewaySettings,
        news: GatewayNews,
        open_alarms: Callable[[str], Awaitable[AlarmSource]] = open_backend,
        *,
        token: str | None = None,
    ) -> None:
        """`open_alarms` is given the URL of the rooms' server, whose index of alarms it opens;
        `token` lets programs call rooms, and without one none can."""
        self.settings = settings
        self.clients = Clients(self._on_room_frame)
        self.counts = self.clients.counts
        self.on_room_frame = self.clients.on_room_frame  # of a RoomListener, without a step between
        me = self._me = Hello("gateway", uuid.uuid4().hex, os.getpid())
        network = settings.network
        self.edge = EdgeClient(me)
        self.use(news)
        self._managers = Managers(settings.manager_address, me, network)
        directory = Directory(settings.redis_url) if network is not None else None
        self._router = Router(me, self._managers, self, time.monotonic, network, directory)
        self.clients.router = self._router
        self._summons = (
            SummonsDesk(me.id, network, directory, self._router.come)
            if network is not None and directory is not None
            else None
        )
        self.alarm_clock = AlarmClock(
            lambda: open_alarms(settings.redis_url), self._router, lambda: self.parties
        )
        self._exchanges = Exchanges(self._router)
        self._numbers = itertools.count(1)
        self._notes = RequestNotes(settings.note_requests, self._managers)
        self._doorman = Doorman(self.edge, self._connect, self.counts, self._notes)
        folder = os.path.dirname(settings.manager_address)
        self.desk = CallDesk(self.clients, self._router, self._numbers, folder)
        self._calls = CallEndpoint(self.desk, token)
        self._http = HttpFront(self, settings)
        self._server: asyncio.Server | None = None

    def __repr__(self) -> str:
        where, sockets = f"{self.settings.host}:{self.settings.port}", len(self.clients)
        return f"<Gateway {where}, {sockets} sockets in {self.rooms_held} rooms>"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: If the port is taken, or the folder of the sockets is not its own.
        """
        if self._summons is not None:
            # Before there is a client: each room is told where to summon those that hold some.
            address = await self._summons.start()
            self._router.introduce(msgspec.structs.replace(self._me, address=address))
        await self.desk.start()
        # A client that leaves is no longer waited with: a streamed answer would go on for nobody.
        notes: Any = self._notes if self._notes.on else None
        http = web.Server(
            self._answer,
            access_log=notes,
            access_log_class=NotingLogger,
            logger=http_log,
            keepalive_timeout=HTTP_IDLE_S,
            request_factory=make_request,
            handler_cancellation=True,
        )
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Front(self, http),
            self.settings.host,
            self.settings.port,
            backlog=BACKLOG,
        )
        self._http_server = http
        self.alarm_clock.start()
        self._notes.start()
        self._reporter = asyncio.get_running_loop().create_task(self._keep_reporting())

    def use(self, news: GatewayNews) -> None:
        """This is deployed, from now on."""
        self.parties = self.clients.parties = news.parties
        # Events of rooms that cannot start with a new version wait for its roll-back.
        self.patient = news.patient
        self.request_timeout_s = news.limits.request_timeout_s
        self.clients.message_bytes_max = news.limits.message_bytes_max
        self.files = StaticFiles(news.assets.folder, single_page=news.assets.single_page)
        self.edge.use(self.settings.edge_address(news.version) if news.has_edge else "")

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path == CALL_PATH:
            return await self._calls.handle(request)
        return await self._http.handle(request)

    @property
    def port(self) -> int:
        """Where it listens; of its settings, unless they leave the choice to the system (0)."""
        if self._server is None or not self._server.sockets:
            return self.settings.port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def rooms_held(self) -> int:
        """Rooms of which something is here: a client, or events."""
        return self._router.route_count

    @property
    def is_placing(self) -> bool:
        """Whether events wait for a room that is being looked for."""
        return self._router.is_placing

    def status(self) -> GatewayStatus:
        """How things are here."""
        host = self.settings.network.host if self.settings.network else self.settings.host
        url = f"http://{host}:{self.settings.port}"
        return GatewayStatus(url, len(self.clients), tuple(sorted(self.parties)))

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            report = GatewayReport(len(self.clients), self.counts)
            await self._managers.report(messages.encode(report))

    async def drain(self, within_s: float) -> None:
        """Let nobody in any more, and send the clients elsewhere, evenly over so many seconds.

        Each is closed with 1012, "service restart", which asks it to connect again.
        """
        if self._server is not None:
            self._server.close()
        self.clients.send_elsewhere(within_s)

    async def stop(self) -> None:
        """Stop listening, say goodbye to every client, and close."""
        if self._server is not None:
            self._server.close()
        self.clients.say_goodbye()
        self.desk.stop()
        await self.alarm_clock.stop()
        self._reporter.cancel()
        self._doorman.stop()
        self._notes.stop()
        self.edge.close()
        await self._http_server.shutdown(timeout=1.0)
        if self._summons is not None:
            await self._summons.stop()
        await self._router.close()

    # Clients

    def on_upgrade(self, transport: asyncio.Transport, upgrade: Upgrade) -> ClientSocket:
        """A client wants a WebSocket to a room."""
        try:
            return self._let_in(transport, upgrade)
        except BadHandshake as error:
            self.counts.refused += 1
            self._notes.note("GET", upgrade.path, error.status)
            raise

    def _let_in(self, transport: asyncio.Transport, upgrade: Upgrade) -> ClientSocket:
        raw_path, _, query = upgrade.path.partition("?")
        try:
            address = self.known_room(raw_path)
        except BadAddress as error:
            raise BadHandshake(400, str(error)) from error
        except LookupError as error:
            raise BadHandshake(404, str(error.args[0])) from error
        except NothingDeployed as error:
            raise BadHandshake(503, str(error)) from error
        client_id = connection_id(query)
        if address is None:
            raise BadHandshake(404, "there is no room at this path; rooms are at /party/<room>")
        known = self._router.known(address.key)  # none is made for a client that is not let in
        if known is not None and known.refusing:
            raise BadHandshake(503, "the room has too much to do; try again later")
        options = self.parties[address.key.party]
        limits = send_limits(options.send_buffer_bytes_max, options.drop_oldest)
        socket = ClientSocket(self.clients, next(self._numbers), transport, upgrade, limits)
        url = f"ws://{upgrade.host}{upgrade.path}"
        head = RequestHead("GET", url, address.path, upgrade.headers)
        if BEFORE_CONNECT in options.edge_hooks:
            asked = Asked(address, head, client=_host_of(transport))
            self._doorman.ask(socket, asked, options.handler_s_max)
        else:
            self._connect(socket, address.key, client_id, head)
        return socket

    def _connect(
        self, socket: ClientSocket, key: RoomKey, client_id: str, head: RequestHead
    ) -> None:
        route = self._router.route(key)
        record = ConnectionRecord(socket.number, client_id, head.url, head.headers, path=head.path)
        self.clients.connect(route, record, socket)

    def known_room(self, raw_path: str) -> RoomAddress | None:
        """The room at a path; None if the path is not a room's.

        Raises:
            BadAddress: If the id is not valid.
            NothingDeployed: If no party at all is deployed.
            LookupError: If no such party is.
        """
        address = room_address(raw_path)
        if address is not None and not self.parties:
            raise NothingDeployed
        if address is not None and address.key.party not in self.parties:
            known = ", ".join(sorted(self.parties)) or "none"
            raise LookupError(f"there is no party {address.key.party!r}; deployed: {known}")
        return address

    def options_of(self, party: str) -> RoomOptions:
        """The options of a deployed party."""
        return self.parties[party]

    def ask_room(
        self, address: RoomAddress, payload: bytes
    ) -> AbstractAsyncContextManager[Exchange]:
        """Take a request to a room, for as long as its answer is waited for.

        Raises:
            RoomUnavailable: If the room has too much to do.
        """
        self.counts.requests += 1
        route = self._router.route(address.key)
        if route.refusing:
            self.counts.refused += 1
            raise RoomUnavailable(503, "the room has too much to do; try again later")
        return self._exchanges.ask(route, next(self._numbers), payload)

    def wake(self, key: RoomKey, *, only_held: bool) -> None:
        """Have a room woken where it is placed, and its clients here be known to it.

        `only_held`: only if there are clients of it, or events, at this gateway.
        """
        route = self._router.known(key) if only_held else self._router.route(key)
        if route is not None and not route.alarm_pending:
            # "Look whether an alarm is due": the one event of a gateway that asks nothing else.
            self._router.send(route, Kind.ALARM, 0, b"")

    # Rooms

    def _on_room_frame(self, route: Route, kind: int, number: int, payload: bytes) -> None:
        """A room says what is not for a client's socket."""
        if kind in OF_EXCHANGES:
            self._exchanges.on_room_frame(route, kind, number, payload)
        elif kind == Kind.RETURN:
            self.desk.on_return(number, payload)

    def on_room_left(self, route: Route) -> None:
        """The room actor that had the room has it no more."""
        self._exchanges.on_room_left(route.key)

    def on_event_failed(
        self, route: Route, event: PendingEvent, why: str, *, try_again: bool
    ) -> None:
        """An event will not be handled: tell whoever sent it."""
        self.counts.refused += 1
        if event.kind == Kind.REQUEST:
            self._exchanges.fail(event.number, 503 if try_again else 500, why)
        elif event.kind == Kind.CALL:
            self.desk.on_event_failed(event, why)
        elif event.kind == Kind.ALARM:
            log.warning("an alarm of room %s is put off: %s", route.key, why)
        else:
            self.clients.on_event_failed(event, why, try_again=try_again)


def _host_of(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""
