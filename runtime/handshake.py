"""The request that opens a WebSocket (RFC 6455 section 4.2.1), decided without I/O."""

from __future__ import annotations

import base64
import binascii
import re
import sys
import uuid
from dataclasses import dataclass
from http.client import responses

from multidict import CIMultiDictProxy
from yarl import URL

from ..actors.messages import CONNECTION_ID_CHARACTERS_MAX, ResponseHead
from .http_error import HttpError
from .request_target import named_target, with_host

HEAD_BYTES_MAX = 16 * 1024
VERSION = "13"
_KEY_BYTES = 16
_UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE)


class BadHandshake(HttpError):
    """A request that asks for a WebSocket and does not do it right."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A valid request for a WebSocket."""

    path: str  # as it was sent, with the query
    host: str
    headers: list[tuple[str, str]]
    key: bytes


def asks_for_websocket(head: bytes) -> bool:
    """Whether a request head (with its last blank line) has `Upgrade: websocket`."""
    return head.startswith(b"GET ") and _UPGRADE.search(head) is not None


def check_upgrade(
    method: str, path: str, version: tuple[int, int], headers: CIMultiDictProxy[str]
) -> Upgrade:
    """The upgrade that a request asks for.

    Raises:
        BadHandshake: With the status to answer, 400 or 426, and what is wrong.
    """
    if method != "GET" or version < (1, 1):
        raise BadHandshake(400, "a WebSocket is opened by GET in HTTP/1.1")
    # Firefox sends `Connection: keep-alive, Upgrade`: the header is a list.
    tokens = [t.strip().lower() for v in headers.getall("connection", ()) for t in v.split(",")]
    if "host" not in headers:
        raise BadHandshake(400, "the header `Host` is missing")
    if "upgrade" not in tokens:
        raise BadHandshake(400, "the header `Connection: Upgrade` is missing")
    if headers.get("sec-websocket-version") != VERSION:
        raise BadHandshake(426, f"only version {VERSION} of the WebSocket protocol is spoken here")
    key = headers.get("sec-websocket-key", "")
    try:
        valid = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise BadHandshake(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise BadHandshake(400, "a request for a WebSocket has no body")
    if (target := named_target(path)) is not None:
        path, headers = target.path, with_host(headers, target.host)
    if not is_utf8(path, headers):
        raise BadHandshake(400, "path and headers must be UTF-8")
    # Names are few, and kept as long as the connection: one copy of each serves all.
    pairs = [(sys.intern(str(name)), value) for name, value in headers.items()]
    return Upgrade(path, headers.get("host", ""), pairs, key.encode())


def is_utf8(path: str, headers: CIMultiDictProxy[str]) -> bool:
    """Whether a request's path and headers are UTF-8; aiohttp leaves a trace of what is not."""
    try:
        path.encode()
        for value in headers.values():
            value.encode()
    except UnicodeEncodeError:
        return False
    return True


def minimal_request(key: bytes) -> bytes:
    """The request that picows is shown: everything in the client's was checked before."""
    return (
        b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    )


def refusal(status: int, message: str) -> bytes:
    """A whole HTTP response that refuses and ends the connection."""
    reasons = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout"}
    reason = reasons.get(status, {426: "Upgrade Required", 431: "Too Large"}.get(status, "Error"))
    body = (message + "\n").encode()
    version = f"Sec-WebSocket-Version: {VERSION}\r\n" if status == 426 else ""
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n{version}Connection: close\r\n\r\n"
    ).encode() + body


def answer(head: ResponseHead, body: bytes) -> bytes:
    """A whole HTTP response that somebody else has given instead of 101; ends the connection."""
    own = ("connection", "content-length", "transfer-encoding", "upgrade")
    pairs = [(name, value) for name, value in head.headers if name.lower() not in own]
    pairs += [("Content-Length", str(len(body))), ("Connection", "close")]
    lines = [f"HTTP/1.1 {head.status} {responses.get(head.status, '')}"]
    lines += [f"{name}: {value}" for name, value in pairs]
    return "\r\n".join([*lines, "", ""]).encode() + body


def connection_id(query: str) -> str:
    """The client's `_pk`, or a new id.

    Raises:
        BadHandshake: If it is longer than an id may be.
    """
    chosen = URL.build(path="/", query_string=query, encoded=True).query.get("_pk", "")
    if len(chosen) > CONNECTION_ID_CHARACTERS_MAX:
        raise BadHandshake(
            400,
            f"a connection id (_pk) of {len(chosen)} characters was given, "
            f"the most is {CONNECTION_ID_CHARACTERS_MAX}",
        )
    return chosen or str(uuid.uuid4())
