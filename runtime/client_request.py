"""What the gateway reads of a client's HTTP request: its head, and its body as that is wanted."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs, web

from ..actors.body_stream import PIECE_BYTES_MAX
from ..actors.messages import RequestHead

PIECE_TIMEOUT_S = 60.0  # for the next piece of a body


def head_of(request: web.BaseRequest, path: str) -> RequestHead:
    """The head as hooks see it; `path` is below what answers the request."""
    return RequestHead(
        request.method,
        f"{request.scheme}://{request.host}{request.raw_path}",
        path,
        [(str(name), value) for name, value in request.headers.items()],
    )


def invite_body(request: web.BaseRequest) -> None:
    """Tell a client that waits to be told that its body is wanted."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def next_piece(request: web.BaseRequest) -> bytes:
    """The next piece of the body; empty when that was all.

    Raises:
        TimeoutError: If nothing came for `PIECE_TIMEOUT_S`.
        Exception: Whatever aiohttp finds wrong with what the client sends, or its leaving.
    """
    async with asyncio.timeout(PIECE_TIMEOUT_S):
        return await request.content.read(PIECE_BYTES_MAX)
