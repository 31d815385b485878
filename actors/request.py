"""Requests as rooms see them.

A request's body is whole before the room sees it, unless it is longer than the class's `body_limit`
and the class streams such bodies. Header names compare without regard to case.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy, MultiDictProxy
from yarl import URL

from .cookies import parse_cookies
from .forms import Form, parse_form
from .headers import TOKEN, header_pairs

HeaderPairs = Iterable[tuple[str, str]]


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


def check_request_line(request: Request) -> None:
    """See to it that a request which a hook has made can be sent.

    Raises:
        TypeError: If its method, URL or path is not text.
        ValueError: If its method is none, or its path does not begin with `/`.
    """
    for name in ("method", "url", "path"):
        if not isinstance(value := getattr(request, name), str):
            raise TypeError(f"{name}={value!r} was given; it is a str")
    if not TOKEN.fullmatch(request.method):
        raise ValueError(f"method {request.method!r} was given; give one like GET")
    if not request.path.startswith("/"):
        raise ValueError(f"path {request.path!r} was given; it begins with `/`, below the room")
