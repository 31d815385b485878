"""HTTP at the gateway's port: requests to rooms, and the static files of the project."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..actors import messages
from ..actors.frames import pack_parts
from ..actors.messages import RequestHead, ResponseHead
from .addresses import BadAddress, RoomAddress
from .front import Doorkeeper, let_wait
from .handshake import BadHandshake, check_upgrade, is_utf8

if TYPE_CHECKING:
    from .settings import GatewaySettings

log = logging.getLogger(__name__)

INDEX = "index.html"
BODY_TIMEOUT_S = 60.0  # for a body to arrive
BODIES_BYTES_MAX = 256 * 1024 * 1024  # of all bodies that are arriving
# What belongs to a client's connection and not to a room's answer: the gateway says it itself.
_CONNECTION_HEADERS = frozenset(
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]
)


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


class RoomAsker(Doorkeeper, Protocol):
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
        self._public = Path(settings.public_folder).resolve() if settings.public_folder else None

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
            return self._static(request)
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
        payload = pack_parts(messages.encode(head), body)
        try:
            answer, answer_body = await self._rooms.ask_room(address, head, payload)
        except RoomUnavailable as error:
            return plain(error.status, str(error))
        except TimeoutError:
            return plain(504, "the room did not answer in time")
        response = web.Response(status=answer.status, body=answer_body)
        response.headers.clear()
        for name, value in answer.headers:
            if name.lower() not in _CONNECTION_HEADERS:
                response.headers.add(name, value)
        return response

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

    def _static(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return plain(404, "nothing here; rooms are at /party/<room>")
        file = self._file(request.path)
        if file is None:
            return plain(404, "nothing here; rooms are at /party/<room>")
        return web.FileResponse(file, headers={"cache-control": "no-cache"})

    def _file(self, path: str) -> Path | None:
        if self._public is None or "\0" in path:
            return None
        try:
            file = (self._public / path.lstrip("/")).resolve()
            if file.is_dir():
                file = (file / INDEX).resolve()
            elif path.endswith("/"):
                return None
            # After resolving, so that neither `..` nor a link leads out of the folder.
            return file if file.is_relative_to(self._public) and file.is_file() else None
        except (OSError, RuntimeError):  # a name that is too long, links that lead in a circle
            return None


def plain(status: int, message: str) -> web.Response:
    """A short answer in text."""
    return web.Response(status=status, text=message + "\n")
