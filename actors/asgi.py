"""ASGI applications beside the rooms: `on_fetch = asgi(app)`.

An application gets HTTP and lifespan events as ASGI 3 has them, with bodies streamed both ways; it
is one object in the edge process of each node. Not here: WebSockets, which are the rooms'.
"""

from __future__ import annotations

import asyncio
import contextlib
import copyreg
import logging
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from .messages import RequestHead, ResponseHead

log = logging.getLogger(__name__)

LIFESPAN_TIMEOUT_S = 20.0  # for an application to start, and again to stop
_VERSION = {"version": "3.0", "spec_version": "2.4"}

AsgiMessage = MutableMapping[str, Any]
AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[AsgiMessage]],
        Callable[[AsgiMessage], Awaitable[None]],
    ],
    Awaitable[None],
]


class AsgiSite:
    """An ASGI application as an edge hook; made by `asgi`."""

    def __init__(self, app: AsgiApp | None, factory: Callable[[], AsgiApp] | None) -> None:
        self._app = app
        self._factory = factory

    def __repr__(self) -> str:
        return f"<AsgiSite {self._app or self._factory!r}>"

    def app(self) -> AsgiApp:
        """The application; the factory is called once."""
        if self._app is None:
            assert self._factory is not None
            self._app = self._factory()
        return self._app


def asgi(app: AsgiApp | None = None, *, factory: Callable[[], AsgiApp] | None = None) -> AsgiSite:
    """Hand requests over to an ASGI application, as FastAPI, Starlette and Django make them.

    As a class attribute, `on_fetch = asgi(app)`, it answers everything that is for no room and no
    static file, and bodies are streamed; an `on_fetch` may also return it. The application is
    sent to the cluster with the class. One that cannot be pickled is made there by `factory`, a
    function without arguments.

    Raises:
        TypeError: If not exactly one of the two is given, or it cannot be called.
    """
    if (app is None) == (factory is None):
        raise TypeError("asgi() takes an application, or factory=, a function that makes one")
    if not callable(app or factory):
        raise TypeError(f"{app or factory!r} was given to asgi(); an application can be called")
    _let_state_travel()
    return AsgiSite(app, factory)


def _let_state_travel() -> None:
    """Have Starlette's `State`, which every application of it and of FastAPI has, be unpickled.

    As it is, looking up any attribute of one that is not filled yet never ends.
    """
    state = getattr(sys.modules.get("starlette.datastructures"), "State", None)
    if state is not None:
        copyreg.pickle(state, lambda each: (state, (vars(each).get("_state", {}),)))


class StartFailed(Exception):
    """An application that said in its lifespan that it cannot start."""


class Lifespan:
    """An application's lifespan, from its start to its end."""

    def __init__(self, app: AsgiApp, state: dict[str, Any]) -> None:
        """`state` is what the application finds in its scopes, and may add to."""
        self.state = state
        self._app = app
        self._told: asyncio.Queue[AsgiMessage] = asyncio.Queue()
        self._answers: asyncio.Queue[AsgiMessage] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._supported = True

    def __repr__(self) -> str:
        return f"<Lifespan of {self._app!r}>"

    async def start(self) -> None:
        """Start the application; one that knows no lifespan is left alone.

        Raises:
            StartFailed: If it says that it cannot start, or says nothing in time.
        """
        self._task = asyncio.get_running_loop().create_task(self._run())
        answer = await self._tell("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise StartFailed(answer.get("message") or "its lifespan failed")

    async def stop(self) -> None:
        """Let it stop, or end it."""
        if self._task is None:
            return
        if self._supported and not self._task.done():
            with contextlib.suppress(StartFailed):
                await self._tell("lifespan.shutdown")
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _tell(self, event: str) -> AsgiMessage | None:
        assert self._task is not None
        self._told.put_nowait({"type": event})
        answer = asyncio.ensure_future(self._answers.get())
        done, _ = await asyncio.wait(
            [answer, self._task], timeout=LIFESPAN_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        if answer.done():
            return answer.result()
        answer.cancel()
        if not done:
            raise StartFailed(f"its lifespan did not answer within {LIFESPAN_TIMEOUT_S:.0f} s")
        self._supported = False
        return None

    async def _run(self) -> None:
        async def send(message: AsgiMessage) -> None:
            self._answers.put_nowait(message)

        scope = {"type": "lifespan", "asgi": dict(_VERSION), "state": self.state}
        try:
            await self._app(scope, self._told.get, send)
        except Exception as error:
            # Whether it knows no lifespan or has failed: what it has sent tells, as elsewhere.
            log.debug("the lifespan of %r ended: %r", self._app, error)


class AsgiCall:
    """One request to an application."""

    def __init__(
        self,
        next_part: Callable[[], Awaitable[bytes]],
        begin: Callable[[ResponseHead, bytes, bool], Awaitable[None]],
        more: Callable[[bytes, bool], Awaitable[None]],
    ) -> None:
        """How its bodies travel.

        `next_part` gives the request's body piece by piece, empty when it has ended; `begin` takes
        the response with the first piece of its body, `more` every other one; each is told
        whether more will follow.
        """
        self.ended = False  # the response is whole
        self._next_part = next_part
        self._begin = begin
        self._more = more
        self._head: ResponseHead | None = None
        self._begun = False
        self._request_is_whole = False
        self._over = asyncio.Event()  # nothing more will be said either way

    def __repr__(self) -> str:
        return f"<AsgiCall {'begun' if self._begun else 'not begun'}>"

    async def run(self, app: AsgiApp, scope: MutableMapping[str, Any]) -> None:
        """Have the request answered.

        Raises:
            Exception: What the application raised; RuntimeError if it gives no whole response.
        """
        try:
            await app(scope, self._receive, self._send)
        finally:
            self._over.set()
        if not self.ended:
            raise RuntimeError("the ASGI application returned without a whole response")

    async def _receive(self) -> AsgiMessage:
        if self._request_is_whole:
            await self._over.wait()
            return {"type": "http.disconnect"}
        try:
            part = await self._next_part()
        except ConnectionError:  # the client is gone
            return {"type": "http.disconnect"}
        self._request_is_whole = not part
        return {"type": "http.request", "body": part, "more_body": bool(part)}

    async def _send(self, message: AsgiMessage) -> None:
        kind = message["type"]
        if kind == "http.response.start" and self._head is None:
            self._head = ResponseHead(int(message["status"]), _pairs(message.get("headers", ())))
        elif kind == "http.response.body" and self._head is not None and not self.ended:
            body, follows = bytes(message.get("body", b"")), bool(message.get("more_body", False))
            self.ended = not follows
            if self._begun:
                await self._more(body, follows)
            else:
                self._begun = True
                await self._begin(self._head, body, follows)
            if self.ended:
                self._over.set()
        elif self._over.is_set():
            raise OSError("the response has ended")
        else:
            raise RuntimeError(f"the ASGI application sent {kind!r}, which has no place here")


def http_scope(head: RequestHead, client: str, state: dict[str, Any]) -> dict[str, Any]:
    """What an application is told of a request."""
    url = urlsplit(head.url)
    raw_path = url.path or "/"
    default_port = 443 if url.scheme == "https" else 80
    try:
        server = (url.hostname or "", url.port or default_port)
    except ValueError:  # a port that is none: it is the client's own word
        server = (url.hostname or "", default_port)
    return {
        "type": "http",
        "asgi": dict(_VERSION),
        "http_version": "1.1",
        "method": head.method,
        "scheme": url.scheme,
        "path": unquote_to_bytes(raw_path).decode(errors="replace"),
        "raw_path": raw_path.encode(),
        "query_string": url.query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in head.headers],
        "client": (client, 0) if client else None,
        "server": server,
        "state": state.copy(),
    }


def _pairs(headers: Any) -> list[tuple[str, str]]:
    return [
        (bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers
    ]
