"""Calls of rooms by programs outside of all rooms: one path of the gateway's port.

A call is a POST whose body is a room's key and a call as it travels between rooms, packed; the
answer is that of the room. The cluster's token is needed (`parlour token`): edge hooks do not run
here, so whoever has it may do what a room may. Nothing is unpickled: arguments are decoded in the
called room, by the codec of stored values.
"""

from __future__ import annotations

import asyncio
from hmac import compare_digest
from typing import Protocol

import msgspec
from aiohttp import web

from ..actors import messages
from ..actors.calls import CALL_BYTES_MAX
from ..actors.frames import unpack_parts
from ..actors.messages import CallHead, RoomKey
from ..actors.parties import PARTY_NAME
from .addresses import BadAddress, room_named
from .call_desk import Give
from .http_error import HttpError

PATH = "/.parlour/call"
HEADS_BYTES_MAX = 128 * 1024  # of a body besides the arguments
BODY_TIMEOUT_S = 60.0  # for a body to arrive
ANSWER_TIMEOUT_S = 600.0  # who calls may want to wait less
CONTENT_TYPE = "application/octet-stream"


class Desk(Protocol):
    """Who takes calls to rooms."""

    def ask(self, key: RoomKey, payload: bytes, give: Give) -> None: ...


class BadCall(HttpError):
    """A body that is no call; the text is for whoever sent it."""


class CallEndpoint:
    """Answers requests to `PATH`. Without a token nobody is let in."""

    def __init__(self, desk: Desk, token: str | None) -> None:
        self._desk = desk
        self._token = token.encode() if token else None

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        if not self._knows_token(request):
            return web.Response(
                status=401,
                text="calls need the token that `parlour token` shows\n",
                headers={"WWW-Authenticate": 'Bearer realm="parlour"', "Connection": "close"},
            )
        try:
            if request.method != "POST":
                raise BadCall(405, "a call is a POST")
            key, call = parse(await _read_body(request))
        except BadCall as error:
            response = web.Response(status=error.status, text=f"{error}\n")
            response.force_close()
            return response
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._desk.ask(key, call, lambda data: None if answer.done() else answer.set_result(data))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return web.Response(body=await answer, content_type=CONTENT_TYPE)
        except TimeoutError:
            return web.Response(status=504, text="the room did not answer in time\n")

    def _knows_token(self, request: web.BaseRequest) -> bool:
        if self._token is None:
            return False
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # Headers are text as aiohttp decodes it, with what is no UTF-8 as surrogates.
        proof = given.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and compare_digest(proof, self._token)


def parse(body: bytes) -> tuple[RoomKey, bytes]:
    """The room that is called, and the call as it travels on.

    Raises:
        BadCall: If it is none.
    """
    try:
        head, call = unpack_parts(body)
        key = messages.decode(head, RoomKey)
        # A room trusts what its gateway sends: all that is wrong has to be found here.
        messages.decode(unpack_parts(call)[0], CallHead)
        if not PARTY_NAME.fullmatch(key.party):
            raise BadAddress(f"a party is called as it stands in URLs, not {key.party[:80]!r}")
        room_named(f"{key.party}/{key.id}")
    except (msgspec.MsgspecError, UnicodeDecodeError, BadAddress) as error:
        raise BadCall(400, f"this is no call: {error}") from error
    return key, call


async def _read_body(request: web.BaseRequest) -> bytes:
    limit = CALL_BYTES_MAX + HEADS_BYTES_MAX
    too_large = BadCall(413, f"a call has at most {CALL_BYTES_MAX} bytes of arguments")
    if request.content_length is not None and request.content_length > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise BadCall(408, f"a body must arrive within {BODY_TIMEOUT_S:.0f} s") from None
    return bytes(body)
