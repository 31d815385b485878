"""Answers over HTTP as clients get them: those of hooks, and the gateway's own."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web

from ..actors.messages import ResponseHead

ResponseT = TypeVar("ResponseT", bound=web.StreamResponse)

# What belongs to a client's connection and not to an answer: the gateway says it itself.
CONNECTION_HEADERS = frozenset(
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]
)


def with_head(response: ResponseT, head: ResponseHead) -> ResponseT:
    """With the headers that a hook has given, but for what is the connection's."""
    response.headers.clear()
    for name, value in head.headers:
        if name.lower() not in CONNECTION_HEADERS:
            response.headers.add(name, value)
    return response


def break_off(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """End the connection so that the client sees that the answer is not whole."""
    if request.transport is None:
        return
    if "transfer-encoding" in response.headers:
        request.transport.close()  # what was written still leaves; the last chunk is missing
    else:
        request.transport.abort()  # for HTTP/1.0 an orderly end would be the end of the answer


def plain(status: int, message: str) -> web.Response:
    """A short answer in text."""
    return web.Response(status=status, text=message + "\n")
