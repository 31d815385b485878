"""Answers over HTTP that the gateway gives by itself."""

from __future__ import annotations

from aiohttp import web

# What belongs to a client's connection and not to an answer: the gateway says it itself.
CONNECTION_HEADERS = frozenset(
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]
)


def plain(status: int, message: str) -> web.Response:
    """A short answer in text."""
    return web.Response(status=status, text=message + "\n")
