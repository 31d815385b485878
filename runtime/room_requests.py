"""HTTP requests to rooms: what a client sends, as a room sees it, and what the room answers.

Bounds: a body over the class's `body_limit` is refused (413) unless the class streams bodies; all
that are arriving whole share `BODIES_BYTES_MAX` (503); one that stops arriving is given up (408); a
room that does not answer in time is not waited for (504).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from aiohttp import web

from ..actors import messages
from ..actors.body_stream import BodyBroken
from ..actors.edge_hooks import BEFORE_REQUEST
from ..actors.frames import pack_parts
from ..actors.options import RoomOptions
from .addresses import RoomAddress
from .admission import Asked, NotLetIn, admit
from .answers import ResponseT, break_off, plain, with_head
from .client_request import PIECE_TIMEOUT_S, head_of, invite_body, next_piece
from .edge_client import EdgeClient
from .exchange import Exchange, RoomUnavailable
from .handshake import is_utf8
from .http_error import HttpError

BODY_TIMEOUT_S = 60.0  # for a body to arrive whole
BODIES_BYTES_MAX = 256 * 1024 * 1024  # of all bodies that are arriving


class BadBody(HttpError):
    """A request body that is not taken; the text is for the client."""


class RoomAsker(Protocol):
    """Who takes requests to rooms: the gateway."""

    @property
    def edge(self) -> EdgeClient: ...

    @property
    def request_timeout_s(self) -> float:
        """How long a room may take to answer."""

    def options_of(self, party: str) -> RoomOptions:
        """The options of a deployed party."""

    def ask_room(
        self, address: RoomAddress, payload: bytes
    ) -> AbstractAsyncContextManager[Exchange]:
        """Take a request to a room, for as long as its answer is waited for.

        Raises:
            RoomUnavailable: If the room has too much to do.
        """


class RoomRequests:
    """Answers requests that are for rooms."""

    def __init__(self, rooms: RoomAsker) -> None:
        self._rooms = rooms
        self._bodies_bytes = 0  # of all bodies that have not arrived whole

    async def handle(self, request: web.BaseRequest, address: RoomAddress) -> web.StreamResponse:
        """Answer one."""
        options = self._rooms.options_of(address.key.party)
        cors, origin = options.cors, request.headers.get("origin")
        if not is_utf8(request.raw_path, request.headers):
            return plain(400, "path and headers must be UTF-8")
        if cors is not None and request.method == "OPTIONS":
            return _with_headers(web.Response(status=204), cors.preflight(origin))
        allowed = cors.answer(origin) if cors is not None else []
        try:
            return await self._ask(request, address, options, allowed)
        except NotLetIn as refused:
            answer = web.Response(status=refused.head.status, body=refused.body)
            return _with_headers(with_head(answer, refused.head), allowed)
        except RoomUnavailable as error:
            return _with_headers(plain(error.status, str(error)), allowed)
        except TimeoutError:
            return _with_headers(plain(504, "the room did not answer in time"), allowed)
        except BadBody as error:
            response = _with_headers(plain(error.status, str(error)), allowed)
            response.force_close()
            return response

    async def _ask(
        self,
        request: web.BaseRequest,
        address: RoomAddress,
        options: RoomOptions,
        allowed: list[tuple[str, str]],
    ) -> web.StreamResponse:
        body, whole = b"", True
        if request.body_exists:
            body, whole = await self._read_body(request, options)
        head = head_of(request, address.path)
        head.streamed = not whole
        if BEFORE_REQUEST in options.edge_hooks:
            # One that is streamed is shown without its body, which goes on as it is.
            asked = Asked(address, head, body if whole else b"", request.remote or "")
            head, shown = await admit(
                self._rooms.edge, BEFORE_REQUEST, asked, options.handler_s_max
            )
            head.streamed = not whole
            body = shown if whole else body
        payload = pack_parts(messages.encode(head), body if whole else b"")
        async with self._rooms.ask_room(address, payload) as exchange:
            if whole:
                return await self._answer(request, exchange, allowed)
            pump = asyncio.create_task(_pump(request, exchange, body))
            try:
                return await self._answer(request, exchange, allowed)
            finally:
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)

    async def _answer(
        self, request: web.BaseRequest, exchange: Exchange, allowed: list[tuple[str, str]]
    ) -> web.StreamResponse:
        head, body = await exchange.answer(self._rooms.request_timeout_s)
        if not head.streamed:
            answer = web.Response(status=head.status, body=body)
            return _with_headers(with_head(answer, head), allowed)
        response = _with_headers(with_head(web.StreamResponse(status=head.status), head), allowed)
        try:
            await response.prepare(request)
            if request.method != "HEAD" and head.status not in (204, 304):
                while piece := await exchange.incoming.next():
                    await response.write(piece)
        except BodyBroken:
            break_off(request, response)
        except ConnectionError:
            pass  # the client is gone; aiohttp finds it out once more
        return response

    async def _read_body(
        self, request: web.BaseRequest, options: RoomOptions
    ) -> tuple[bytes, bool]:
        """The body, and whether that is all of it; if not, the rest is to be streamed."""
        bytes_max = options.body_bytes_max
        too_large = BadBody(413, f"a body has at most {bytes_max} bytes")
        size = request.content_length
        if size is not None and size > bytes_max and not options.stream_bodies:
            raise too_large
        invite_body(request)
        if size is not None and size > bytes_max:
            return b"", False
        chunks: list[bytes] = []
        read_bytes = 0
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                async for chunk in request.content.iter_any():
                    read_bytes += len(chunk)
                    self._bodies_bytes += len(chunk)
                    chunks.append(chunk)
                    if read_bytes > bytes_max:
                        if options.stream_bodies:
                            return b"".join(chunks), False
                        raise too_large
                    if self._bodies_bytes > BODIES_BYTES_MAX:
                        raise BadBody(503, "too much is being sent at once; try again later")
        except web.RequestPayloadError:  # no gzip, for example, although the header says so
            raise BadBody(400, "the body cannot be read: it is not what its headers say") from None
        except TimeoutError:
            raise BadBody(408, f"a body must arrive within {BODY_TIMEOUT_S:.0f} s") from None
        finally:
            self._bodies_bytes -= read_bytes
        return b"".join(chunks), True


async def _pump(request: web.BaseRequest, exchange: Exchange, first: bytes) -> None:
    """Take a body to its room as the room wants it; `first` is what was read of it."""
    problem = "the client went away"
    try:
        await exchange.outgoing.send(first)
        while True:
            # Not read before it is wanted: the client is held up by its own connection.
            await exchange.outgoing.may_go_on()
            piece = await next_piece(request)
            if not piece:
                problem = ""
                return
            await exchange.outgoing.send(piece)
    except TimeoutError:
        problem = f"nothing of it came for {PIECE_TIMEOUT_S:.0f} s"
    except Exception:  # whatever aiohttp finds wrong with what the client sends, or its leaving
        problem = "the client did not send it whole"
    finally:
        exchange.end_body(problem)


def _with_headers(response: ResponseT, pairs: Iterable[tuple[str, str]]) -> ResponseT:
    """With what the room has not said itself; `Vary` is a list that may go on."""
    for name, value in pairs:
        if name == "Vary" or name not in response.headers:
            response.headers.add(name, value)
    return response
