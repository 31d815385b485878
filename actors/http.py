"""Requests and responses as rooms see them.

Plain values: the gateway has read the whole body before the room sees the request, and sends the
whole body that the room gives back. Header names compare without regard to case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy, MultiDictProxy
from yarl import URL

HeaderPairs = Iterable[tuple[str, str]]


class Request:
    """An HTTP request to a room, or the request that opened a connection.

    `url` is the full URL that the client asked for, `path` the part below the room (`/` when
    there is none).
    """

    def __init__(
        self, method: str, url: str, path: str, headers: HeaderPairs, body: bytes = b""
    ) -> None:
        self.method = method
        self.url = url
        self.path = path
        self.headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict(headers))
        self.body = body

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"

    @cached_property
    def query(self) -> MultiDictProxy[str]:
        """The query parameters, decoded; a name may occur several times."""
        return URL(self.url, encoded=True).query

    def text(self) -> str:
        """The body as text, in UTF-8.

        Raises:
            UnicodeDecodeError: If it is not UTF-8.
        """
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: If it is not JSON.
        """
        return json.loads(self.body)


class Response:
    """An HTTP response: a status, headers and a body of text or bytes.

    Text is sent as UTF-8 `text/plain`, bytes as `application/octet-stream`, unless a
    `content-type` header says otherwise.

    Raises:
        TypeError: If `body` is neither str nor bytes, or a header is not text.
        ValueError: If `status` is not between 200 and 599, or a header has a line break in it.
    """

    def __init__(
        self,
        body: str | bytes = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not 200 <= status <= 599:
            raise ValueError(f"status {status} was given; a response has one from 200 to 599")
        if isinstance(body, str):
            content_type, data = "text/plain; charset=utf-8", body.encode()
        elif isinstance(body, bytes | bytearray | memoryview):
            content_type, data = "application/octet-stream", bytes(body)
        else:
            raise TypeError(
                f"a body of {type(body).__name__} was given; give str or bytes, "
                "or use Response.json(value)"
            )
        self.status = status
        self.body = data
        self.headers: CIMultiDict[str] = CIMultiDict(header_pairs(headers or {}))
        self.headers.setdefault("content-type", content_type)

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"

    @classmethod
    def json(
        cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        """`value` as JSON.

        Raises:
            TypeError: If JSON has no form for something in `value`.
        """
        response = cls(json.dumps(value, separators=(",", ":")).encode(), status, headers)
        if headers is None or "content-type" not in CIMultiDict(headers):
            response.headers["content-type"] = "application/json"
        return response


def header_pairs(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers as they travel.

    Raises:
        TypeError: If a name or a value is not text.
        ValueError: If one has a line break in it, which would begin another header.
    """
    pairs = [(name, value) for name, value in headers.items()]
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header {name!r}: {value!r} was given; names and values are str")
        if set(name + value) & set("\r\n\0"):
            raise ValueError(f"header {name!r}: {value!r} was given; it must be one line")
    return [(str(name), value) for name, value in pairs]


def as_response(value: object, hook: str = "on_request") -> Response:
    """What a hook returned, as a response: str, bytes and dict mean status 200.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(value, Response):
        return value
    if isinstance(value, str | bytes):
        return Response(value)
    if isinstance(value, dict):
        return Response.json(value)
    raise TypeError(
        f"{hook} returned {type(value).__name__}; return a Response, str, bytes or a dict"
    )
