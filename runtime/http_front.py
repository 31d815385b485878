"""HTTP at the gateway's port: requests to rooms, and what is for none (`site.py`)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .addresses import BadAddress, NothingDeployed, RoomAddress
from .answers import plain
from .front import Doorkeeper, let_wait
from .handshake import BadHandshake, check_upgrade
from .room_requests import RoomAsker, RoomRequests
from .site import Deployed, Site

if TYPE_CHECKING:
    from .settings import GatewaySettings


_OF_CLIENTS = (HttpProcessingError, web.RequestPayloadError, ConnectionResetError)


class OwnDefects(logging.Filter):
    """Lets through what is ours to mend; that a request is no HTTP, or ends midway, is not."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, _OF_CLIENTS)


http_log = logging.getLogger("parlour.http")  # of aiohttp
http_log.addFilter(OwnDefects())


class Rooms(Doorkeeper, RoomAsker, Deployed, Protocol):
    """Who knows of rooms: the gateway."""

    def known_room(self, raw_path: str) -> RoomAddress | None:
        """The room at a path; None if the path is not a room's.

        Raises:
            BadAddress: If the id is not valid.
            NothingDeployed: If no party at all is deployed.
            LookupError: If no such party is.
        """


class HttpFront:
    """Answers what is not a WebSocket."""

    def __init__(self, rooms: Rooms, settings: GatewaySettings) -> None:
        self._rooms = rooms
        self._requests = RoomRequests(rooms)
        self._site = Site(rooms, settings)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        raw_path = request.raw_path.partition("?")[0]
        try:
            address = self._rooms.known_room(raw_path)
        except BadAddress as error:
            return plain(400, str(error))
        except LookupError as error:
            return plain(404, str(error.args[0]))
        except NothingDeployed as error:
            return plain(503, str(error))
        if address is None:
            return await self._site.handle(request)
        if request.headers.get("upgrade", "").lower() == "websocket":
            return self._upgrade(request)
        return await self._requests.handle(request, address)

    def _upgrade(self, request: web.BaseRequest) -> web.Response:
        """A connection that served HTTP before is to be a WebSocket: take it from aiohttp."""
        version = (request.version.major, request.version.minor)
        transport = request.transport
        try:
            upgrade = check_upgrade(request.method, request.raw_path, version, request.headers)
            if transport is None:
                raise ConnectionResetError("the client is gone")
            let_wait(transport, self._rooms, upgrade)
        except BadHandshake as error:
            response = plain(error.status, str(error))
            response.force_close()
            return response
        # For aiohttp the connection has ended, so that it sends nothing more; without a transport
        # it closes nothing either, and the transport lives on with its new protocol.
        request.protocol.transport = None
        request.protocol.connection_lost(None)
        return web.Response()
