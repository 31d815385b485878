"""One HTTP request to a room, for Python programs."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from yarl import URL

from ..actors.response import Response
from .room_url import room_url

RESPONSE_BYTES_MAX = 64 * 1024 * 1024
FETCH_TIMEOUT_S = 60.0


async def fetch(
    url: str,
    room: str,
    *,
    party: str = "main",
    path: str = "/",
    method: str = "GET",
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: str | bytes = b"",
    timeout: float = FETCH_TIMEOUT_S,  # noqa: ASYNC109
    session: aiohttp.ClientSession | None = None,
) -> Response:
    """Send a request to a room; its response comes back whole.

    `url` is the server's, as for `RoomSocket`; `path` is below the room. With a `session` of one's
    own, connections are used again from request to request.

    Raises:
        ValueError: If the URL is none, or the response is over `RESPONSE_BYTES_MAX` bytes.
        aiohttp.ClientError: If the server cannot be reached.
        TimeoutError: If the response is not there within `timeout` seconds.
    """
    where = room_url(url, party, room, path, query)
    if session is None:
        async with aiohttp.ClientSession() as own:
            return await _fetch(own, where, method, headers, body, timeout)
    return await _fetch(session, where, method, headers, body, timeout)


async def _fetch(
    session: aiohttp.ClientSession,
    url: URL,
    method: str,
    headers: Mapping[str, str] | None,
    body: str | bytes,
    timeout_s: float,
) -> Response:
    limit = aiohttp.ClientTimeout(total=timeout_s)
    data = body or None
    async with session.request(
        method, url, headers=headers, data=data, timeout=limit,
        allow_redirects=False,
    ) as answer:  # fmt: skip
        whole = bytearray()
        async for piece in answer.content.iter_any():
            whole += piece
            if len(whole) > RESPONSE_BYTES_MAX:
                raise ValueError(f"the response is over {RESPONSE_BYTES_MAX} bytes")
        response = Response(bytes(whole), answer.status)
        response.headers.clear()
        response.headers.extend(answer.headers)
        response.headers.popall("content-encoding", None)  # it is undone
        return response
