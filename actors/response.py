"""Responses as rooms give them: a whole body, or an async iterator of pieces."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from datetime import datetime
from typing import Any

from multidict import CIMultiDict

from .cookies import set_cookie_header
from .headers import header_pairs
from .request import Request
from .server_sent import KEEP_ALIVE_S, ServerSentEvent, event_stream

REDIRECTS = (301, 302, 303, 307, 308)


class Response:
    """An HTTP response: a status, headers and a body.

    Text is sent as UTF-8 `text/plain`, bytes as `application/octet-stream`, unless a `content-type`
    header says otherwise. An async iterator of str or bytes is sent piece by piece, in a task of
    its own beside the room's events, behind the room's writes like everything that it sends, and
    no faster than the client reads. It is cancelled when the client leaves or the room has to go;
    a room that streams does not hibernate.

    Raises:
        TypeError: If `body` is none of these, or a header is not text.
        ValueError: If `status` is not between 200 and 599, or a header's name or value cannot be
            sent.
    """

    def __init__(
        self,
        body: str | bytes | AsyncIterable[str | bytes] = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self._stream: AsyncIterable[str | bytes] | None = None
        content_type, data = "application/octet-stream", b""
        if isinstance(body, str):
            content_type, data = "text/plain; charset=utf-8", body.encode()
        elif isinstance(body, bytes | bytearray | memoryview):
            data = bytes(body)
        elif isinstance(body, AsyncIterable):
            self._stream = body
        else:
            raise TypeError(
                f"a body of {type(body).__name__} was given; give str, bytes or an async iterator "
                "of them, or use Response.json(value)"
            )
        self.body = data
        self.headers: CIMultiDict[str] = CIMultiDict(header_pairs(headers or {}))
        self.headers.setdefault("content-type", content_type)

    def __repr__(self) -> str:
        return f"<Response {self.status}, {'streamed' if self.streamed else len(self.body)}>"

    @property
    def status(self) -> int:
        """The status, from 200 to 599.

        Raises:
            TypeError: If what it is set to is no int.
            ValueError: If that is out of range.
        """
        return self._status

    @status.setter
    def status(self, status: int) -> None:
        if not isinstance(status, int):
            raise TypeError(f"status {status!r} was given; it is an int")
        if not 200 <= status <= 599:
            raise ValueError(f"status {status} was given; a response has one from 200 to 599")
        self._status = int(status)

    @property
    def streamed(self) -> bool:
        """Whether the body is an async iterator."""
        return self._stream is not None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it is sent; one that is streamed, once.

        Raises:
            TypeError: If the iterator gives anything but str and bytes.
        """
        if self._stream is None:
            yield self.body
            return
        try:
            async for piece in self._stream:
                if not isinstance(piece, str | bytes | bytearray | memoryview):
                    raise TypeError(f"a streamed body gave {type(piece).__name__}: str or bytes")
                yield piece.encode() if isinstance(piece, str) else bytes(piece)
        finally:
            close = getattr(self._stream, "aclose", None)
            if close is not None:
                await close()

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        expires: datetime | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        http_only: bool = False,
        same_site: str | None = "lax",
    ) -> None:
        """Have the client keep a cookie, for `max_age` seconds or as long as it runs.

        Raises:
            ValueError: If a part has a character that cannot stand in it, or `same_site` is not
                "lax", "strict", or "none" with `secure`.
        """
        self.headers.add(
            "set-cookie",
            set_cookie_header(
                name,
                value,
                max_age=max_age,
                expires=expires,
                path=path,
                domain=domain,
                secure=secure,
                http_only=http_only,
                same_site=same_site,
            ),
        )

    def delete_cookie(
        self, name: str, *, path: str | None = "/", domain: str | None = None
    ) -> None:
        """Have the client forget a cookie that was set with this path and domain."""
        self.set_cookie(name, "", max_age=0, path=path, domain=domain)

    @classmethod
    def html(
        cls, text: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        """A page."""
        return cls(text, status, _with(headers, {"content-type": "text/html; charset=utf-8"}))

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> Response:
        """Send the client to another URL.

        Raises:
            ValueError: If `status` is not one of `REDIRECTS`, or `location` is not one line.
        """
        if status not in REDIRECTS:
            raise ValueError(f"status {status} was given; a redirect has one of {REDIRECTS}")
        return cls(f"{location}\n", status, {"location": location})

    @classmethod
    def events(
        cls,
        events: AsyncIterable[ServerSentEvent | str],
        *,
        keep_alive: float = KEEP_ALIVE_S,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Server-sent events, as `EventSource` in a browser reads them; str is an event's data.

        A comment is sent whenever there was no event for `keep_alive` seconds.

        Raises:
            TypeError: If `events` is no async iterator.
            ValueError: If `keep_alive` is not above 0.
        """
        if not isinstance(events, AsyncIterable):
            raise TypeError(
                f"events of {type(events).__name__} were given; give an async iterator, as an "
                "`async def` that yields is when it is called"
            )
        if not keep_alive > 0:
            raise ValueError(f"keep_alive={keep_alive} was given; it is seconds, above 0")
        said = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",  # proxies that gather answers before they pass them on
        }
        return cls(event_stream(events, keep_alive), headers=_with(headers, said))

    @classmethod
    def json(
        cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        """`value` as JSON.

        Raises:
            TypeError: If JSON has no form for something in `value`.
            ValueError: If a float in it is NaN or infinite, which no browser would read.
        """
        data = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
        return cls(data, status, _with(headers, {"content-type": "application/json"}))


def _with(headers: Mapping[str, str] | None, more: Mapping[str, str]) -> Mapping[str, str]:
    """Headers, and of `more` those that are not among them."""
    every: CIMultiDict[str] = CIMultiDict(header_pairs(headers or {}))
    for name, value in more.items():
        every.setdefault(name, value)
    return every


def refusal_of(request: Request, error: Exception) -> Response | None:
    """The answer to a client whose body a hook could not read; None if `error` is not of that."""
    if error is not request._unreadable:
        return None
    return Response(f"the body cannot be read: {str(error)[:200]}\n", 400)


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
