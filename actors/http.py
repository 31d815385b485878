"""Requests and responses as rooms see them.

A request's body is whole before the room sees it, unless it is longer than the class's `body_limit`
and the class streams such bodies. A response's is a whole, or an async iterator of pieces. Header
names compare without regard to case.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Iterable,
    Iterator,
    Mapping,
)
from datetime import datetime
from functools import cached_property
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy, MultiDictProxy
from yarl import URL

from .cookies import parse_cookies, set_cookie_header
from .forms import Form, parse_form
from .server_sent import KEEP_ALIVE_S, ServerSentEvent, event_stream

HeaderPairs = Iterable[tuple[str, str]]
REDIRECTS = (301, 302, 303, 307, 308)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2


class BodyLost(Exception):
    """The rest of a streamed body does not come: its client left, or stopped sending."""


class Request:
    """An HTTP request to a room, or the request that opened a connection.

    `url` is the full URL that the client asked for, `path` the part below the room (`/` when
    there is none).
    """

    def __init__(
        self,
        method: str,
        url: str,
        path: str,
        headers: HeaderPairs,
        body: bytes | AsyncIterable[bytes] = b"",
    ) -> None:
        self.method = method
        self.url = url
        self.path = path
        self.headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict(headers))
        self._body = body
        self._unreadable: Exception | None = None  # what was raised of the body

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"

    def replace(
        self,
        *,
        method: str | None = None,
        url: str | None = None,
        path: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Request:
        """A copy with these changes, for `on_before_connect` and `on_before_request` to return.

        Each of `headers` takes the place of all of its name; the others stay.

        Raises:
            TypeError: If one of them is not of its type.
            ValueError: If the method, or a header's name or value, cannot stand in a request, or
                the path does not begin with `/`.
        """
        if body is not None and not isinstance(body, bytes):
            raise TypeError(f"a body of {type(body).__name__} was given; it is bytes")
        changed = CIMultiDict(self.headers)
        changed.update(header_pairs(headers or {}))
        request = Request(
            self.method if method is None else method,
            self.url if url is None else url,
            self.path if path is None else path,
            changed.items(),
            self._body if body is None else body,
        )
        check_request_line(request)
        return request

    @cached_property
    def query(self) -> MultiDictProxy[str]:
        """The query parameters, decoded; a name may occur several times."""
        return URL(self.url, encoded=True).query

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that the client sent; of several with one name, the first."""
        return parse_cookies(self.headers.getall("cookie", ()))

    @property
    def streamed(self) -> bool:
        """Whether the body comes piece by piece, as its class's `stream_bodies` allows."""
        return not isinstance(self._body, bytes)

    @property
    def body(self) -> bytes:
        """The body.

        Raises:
            RuntimeError: If it is streamed: read `stream()`.
        """
        if not isinstance(self._body, bytes):
            raise RuntimeError("this body is over body_limit and streamed; read request.stream()")
        return self._body

    async def stream(self) -> AsyncIterator[bytes]:
        """The body piece by piece, once; of a whole one it is one piece.

        The client sends on as pieces are taken: no more than a few hundred KB of it are kept.

        Raises:
            BodyLost: If the client leaves, or sends nothing for a minute.
        """
        if isinstance(self._body, bytes):
            if self._body:
                yield self._body
        else:
            async for piece in self._body:
                yield piece

    def text(self) -> str:
        """The body as text, in UTF-8.

        Raises:
            UnicodeDecodeError: If it is not UTF-8; its client gets 400 if the hook lets it out.
            RuntimeError: If it is streamed.
        """
        with self._reading():
            return self.body.decode()

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: If it is not JSON; its client gets 400 if the hook lets it out.
            RuntimeError: If it is streamed.
        """
        with self._reading():
            try:
                return json.loads(self.body)
            except RecursionError:
                raise ValueError("JSON that is nested too deep") from None

    async def form(self) -> Form:
        """The fields of the HTML form in the body, in order; files as `FormFile`.

        Raises:
            ValueError: If the body is no form, urlencoded or multipart, or has over 1,000 fields;
                its client gets 400 if the hook lets it out.
            RuntimeError: If it is streamed.
        """
        with self._reading():
            return await parse_form(self.headers, self.body)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            self._unreadable = error
            raise


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


def check_request_line(request: Request) -> None:
    """See to it that a request which a hook has made can be sent.

    Raises:
        TypeError: If its method, URL or path is not text.
        ValueError: If its method is none, or its path does not begin with `/`.
    """
    for name in ("method", "url", "path"):
        if not isinstance(value := getattr(request, name), str):
            raise TypeError(f"{name}={value!r} was given; it is a str")
    if not _TOKEN.fullmatch(request.method):
        raise ValueError(f"method {request.method!r} was given; give one like GET")
    if not request.path.startswith("/"):
        raise ValueError(f"path {request.path!r} was given; it begins with `/`, below the room")


def header_pairs(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers as they travel.

    Raises:
        TypeError: If a name or a value is not text.
        ValueError: If a name has what no header's may have, or a value a line break, which would
            begin another header.
    """
    pairs = [(name, value) for name, value in headers.items()]
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header {name!r}: {value!r} was given; names and values are str")
        if not _TOKEN.fullmatch(name):
            raise ValueError(
                f"a header {name!r} was given; a name has letters, digits and `-`, and is not empty"
            )
        if set(value) & set("\r\n\0"):
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
