"""What is for no room: static files, then the main party's `on_fetch`, then what is shown where
nothing is.

Bodies of `on_fetch` cross to the edge and back piece by piece; a client that reads slowly holds up
whoever writes to it, and nobody else.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Protocol

from aiohttp import hdrs, web

from ..actors.body_stream import BodyBroken
from ..actors.edge_hooks import CRON, FETCH
from ..actors.edge_messages import EdgeAnswer, EdgeQuestion
from ..actors.messages import RequestHead
from ..actors.options import RoomOptions
from ..actors.parties import MAIN
from .answers import break_off, plain, with_head
from .client_request import PIECE_TIMEOUT_S, head_of, invite_body, next_piece
from .edge_client import EdgeClient, EdgeExchange, EdgeUnavailable
from .handshake import is_utf8
from .settings import GatewaySettings
from .static_files import StaticFiles

CRON_PATH = "/__scheduled__"  # PartyKit's
CRON_TIMEOUT_S = 16 * 60.0  # more than on_cron may take
NOTHING_HERE = "nothing here; rooms are at /party/<room>"


class Deployed(Protocol):
    """Who knows what is deployed: the gateway."""

    @property
    def parties(self) -> Mapping[str, RoomOptions]: ...

    @property
    def edge(self) -> EdgeClient: ...

    @property
    def files(self) -> StaticFiles: ...


class Site:
    """Answers requests that are for no room."""

    def __init__(self, deployed: Deployed, settings: GatewaySettings) -> None:
        self._deployed = deployed
        self._settings = settings

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one."""
        if not is_utf8(request.raw_path, request.headers):
            return plain(400, "path and headers must be UTF-8")
        if self._settings.crons_on_demand and request.path == CRON_PATH:
            return await self._try_cron(request)
        found = await self._deployed.files.answer(request)
        if found is None and self._has(FETCH):
            found = await self._fetch(request)
        if found is None:
            found = await self._deployed.files.fallback(request)
        return plain(404, NOTHING_HERE) if found is None else found

    def _has(self, hook: str) -> bool:
        main = self._deployed.parties.get(MAIN)
        return main is not None and hook in main.edge_hooks

    async def _try_cron(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self._has(CRON):
            return plain(404, "the main party has no on_cron")
        head = RequestHead("GET", "", request.query.get("cron", ""), [])
        question = EdgeQuestion(CRON, MAIN, None, head)
        try:
            async with self._deployed.edge.ask(question) as exchange:
                answer, body = await exchange.answer(CRON_TIMEOUT_S)
        except EdgeUnavailable as error:
            return plain(error.status, str(error))
        if answer.response is None:
            return plain(500, "on_cron raised; the log says what")
        return web.Response(status=answer.response.status, body=body, content_type="text/plain")

    async def _fetch(self, request: web.BaseRequest) -> web.StreamResponse | None:
        options = self._deployed.parties[MAIN]
        bytes_max = math.inf if options.stream_bodies else options.body_bytes_max
        if (request.content_length or 0) > bytes_max:
            return _too_large(bytes_max)
        head = head_of(request, request.raw_path.partition("?")[0])
        question = EdgeQuestion(FETCH, MAIN, None, head, request.remote or "", request.body_exists)
        try:
            async with self._deployed.edge.ask(question) as exchange:
                pump = asyncio.create_task(_pump(request, exchange, bytes_max))
                try:
                    answer, body = await exchange.answer(options.handler_s_max)
                    return await _respond(request, exchange, answer, body)
                finally:
                    pump.cancel()
                    await asyncio.wait([pump])
        except BodyTooLarge:
            return _too_large(bytes_max)
        except EdgeUnavailable as error:
            response = plain(error.status, str(error))
            response.force_close()  # what is left of the body is of no use
            return response


class BodyTooLarge(EdgeUnavailable):
    """A body over the limit, which its length had not told."""


async def _pump(request: web.BaseRequest, exchange: EdgeExchange, bytes_max: float) -> None:
    """Take the request's body to the edge, as fast as it is used there."""
    if not request.body_exists:
        return
    invite_body(request)
    size_bytes = 0
    try:
        while True:
            part = await next_piece(request)
            size_bytes += len(part)
            if size_bytes > bytes_max:
                exchange.fail(BodyTooLarge(413, ""))
                return
            if not part:
                exchange.end()
                return
            await exchange.outgoing.send(part)
    except TimeoutError:
        exchange.fail(EdgeUnavailable(408, f"nothing of the body came for {PIECE_TIMEOUT_S:.0f} s"))
    except BodyBroken:
        pass  # nobody reads it: the answer says why, or has come without it
    except Exception:  # whatever aiohttp finds wrong with what the client sends
        exchange.fail(EdgeUnavailable(400, "the body is not whole"))


async def _respond(
    request: web.BaseRequest, exchange: EdgeExchange, answer: EdgeAnswer, body: bytes
) -> web.StreamResponse | None:
    if answer.outcome == "pass":
        return None
    head = answer.response
    if head is None:
        return plain(500, "this request could not be answered")
    if not answer.streams and request.method != hdrs.METH_HEAD:
        return with_head(web.Response(status=head.status, body=body), head)
    response = with_head(web.StreamResponse(status=head.status), head)
    length = next((value for name, value in head.headers if name.lower() == "content-length"), "")
    announced = int(length) if length.isascii() and length.isdigit() else None
    response.content_length = announced
    try:
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await _stream(response, exchange, body, announced)
    except BodyBroken:
        break_off(request, response)
    except ConnectionError:
        pass  # the client is gone; aiohttp finds it out once more
    return response


async def _stream(
    response: web.StreamResponse, exchange: EdgeExchange, first: bytes, announced: int | None
) -> None:
    sent_bytes = len(first)
    if first:
        await response.write(first)
    while part := await exchange.incoming.next():
        sent_bytes += len(part)
        await response.write(part)
    if announced is not None and sent_bytes != announced:
        raise BodyBroken(f"{sent_bytes} bytes came of {announced}")


def _too_large(bytes_max: float) -> web.Response:
    response = plain(413, f"a body has at most {bytes_max:.0f} bytes")
    response.force_close()
    return response
