"""HTTP at the gateway's port: requests to rooms, and what is for none (`site.py`)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..actors import messages
from ..actors.edge_hooks import BEFORE_REQUEST
from ..actors.frames import pack_parts
from ..actors.messages import RequestHead, ResponseHead
from .addresses import BadAddress, RoomAddress
from .admission import Asked, NotLetIn, admit
from .answers import CONNECTION_HEADERS, plain
from .front import Doorkeeper, let_wait
from .handshake import BadHandshake, check_upgrade, is_utf8
from .site import Deployed, Site

if TYPE_CHECKING:
    from .settings import GatewaySettings

log = logging.getLogger(__name__)

BODY_TIMEOUT_S = 60.0  # for a body to arrive
BODIES_BYTES_MAX = 256 * 1024 * 1024  # of all bodies that are arriving


class OwnDefects(logging.Filter):
    """Lets through what is ours to mend; that a request is no HTTP, or ends midway, is not."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | ConnectionResetError)


http_log = logging.getLogger("parlour.http")  # of aiohttp
http_log.addFilter(OwnDefects())


class RoomUnavailable(Exception):
    """A request that its room will not answer; the text is for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BadBody(Exception):
    """A request body that is not taken; the text is for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RoomAsker(Doorkeeper, Deployed, Protocol):
    """Who takes requests to rooms: the gateway."""

    def known_room(self, raw_path: str) -> RoomAddress | None: ...

    async def ask_room(
        self, address: RoomAddress, head: RequestHead, payload: bytes
    ) -> tuple[ResponseHead, bytes]: ...


class HttpFront:
    """Answers what is not a WebSocket."""

    def __init__(self, rooms: RoomAsker, settings: GatewaySettings) -> None:
        self._rooms = rooms
        self._body_bytes_max = settings.body_bytes_max
        self._bodies_bytes = 0  # of all bodies that have not arrived whole
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
        if address is None:
            return await self._site.handle(request)
        if request.headers.get("upgrade", "").lower() == "websocket":
            return self._upgrade(request)
        return await self._ask(request, address)

    async def _ask(self, request: web.BaseRequest, address: RoomAddress) -> web.Response:
        if not is_utf8(request.raw_path, request.headers):
            return plain(400, "path and headers must be UTF-8")
        try:
            body = await self._read_body(request) if request.body_exists else b""
        except BadBody as error:
            response = plain(error.status, str(error))
            response.force_close()
            return response
        head = RequestHead(
            request.method,
            f"{request.scheme}://{request.host}{request.raw_path}",
            address.path,
            [(str(name), value) for name, value in request.headers.items()],
        )
        try:
            head, body = await self._admit(request, address, head, body)
            payload = pack_parts(messages.encode(head), body)
            answer, answer_body = await self._rooms.ask_room(address, head, payload)
        except NotLetIn as refused:
            return _of_head(refused.head, refused.body)
        except RoomUnavailable as error:
            return plain(error.status, str(error))
        except TimeoutError:
            return plain(504, "the room did not answer in time")
        return _of_head(answer, answer_body)

    async def _admit(
        self, request: web.BaseRequest, address: RoomAddress, head: RequestHead, body: bytes
    ) -> tuple[RequestHead, bytes]:
        options = self._rooms.parties[address.key.party]
        if BEFORE_REQUEST not in options.edge_hooks:
            return head, body
        asked = Asked(address, head, body, request.remote or "")
        return await admit(self._rooms.edge, BEFORE_REQUEST, asked, options.handler_s_max)

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

    async def _read_body(self, request: web.BaseRequest) -> bytes:
        too_large = BadBody(413, f"a body has at most {self._body_bytes_max} bytes")
        size = request.content_length
        if size is not None and size > self._body_bytes_max:
            raise too_large
        if request.headers.get("expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        chunks: list[bytes] = []
        read_bytes = 0
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                async for chunk in request.content.iter_any():
                    read_bytes += len(chunk)
                    self._bodies_bytes += len(chunk)
                    chunks.append(chunk)
                    if read_bytes > self._body_bytes_max:
                        raise too_large
                    if self._bodies_bytes > BODIES_BYTES_MAX:
                        raise BadBody(503, "too much is being sent at once; try again later")
        except TimeoutError:
            raise BadBody(408, f"a body must arrive within {BODY_TIMEOUT_S:.0f} s") from None
        finally:
            self._bodies_bytes -= read_bytes
        return b"".join(chunks)


def _of_head(head: ResponseHead, body: bytes) -> web.Response:
    response = web.Response(status=head.status, body=body)
    response.headers.clear()
    for name, value in head.headers:
        if name.lower() not in CONNECTION_HEADERS:
            response.headers.add(name, value)
    return response
