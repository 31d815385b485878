"""Requests whose target is a whole URL, as a client sends it that takes this server for a proxy.

RFC 9112 section 3.2.2: a server has to accept `GET http://host/path`, and then the URL's host
counts and not the header's.
"""

from __future__ import annotations

import re
from asyncio import AbstractEventLoop, Task
from typing import NamedTuple

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

_WHOLE = re.compile(r"https?://([^/?#]*@)?([^/?#@]+)(.*)", re.IGNORECASE | re.DOTALL)


class Target(NamedTuple):
    """What a whole URL asks for."""

    host: str
    path: str  # as it was sent, with the query


def named_target(target: str) -> Target | None:
    """The host and path of a target that is a whole URL; None of one that is a path."""
    if target.startswith("/"):
        return None
    found = _WHOLE.fullmatch(target)
    if found is None:
        return None
    path = found[3]
    return Target(found[2], path if path.startswith("/") else "/" + path)


def with_host(headers: CIMultiDictProxy[str], host: str) -> CIMultiDictProxy[str]:
    """Headers with another `Host`."""
    changed = CIMultiDict(headers)
    changed["Host"] = host
    return CIMultiDictProxy(changed)


def make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: Task[None],
) -> web.BaseRequest:
    """A request of aiohttp's, its target a path."""
    loop: AbstractEventLoop = task.get_loop()
    target = named_target(message.path)
    if target is not None:
        path, _, query = target.path.partition("?")
        message = message._replace(
            path=target.path,
            url=URL.build(path=path, query_string=query, encoded=True),
            headers=with_host(message.headers, target.host),
        )
    return web.BaseRequest(message, payload, protocol, writer, task, loop)
