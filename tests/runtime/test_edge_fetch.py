"""on_fetch: what answers for no room, as a function or as an ASGI application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors.asgi import AsgiMessage, StartFailed, asgi
from parlour.actors.edge_hooks import Cron, Lobby
from parlour.actors.http import Request, Response
from parlour.actors.room import Room

from ..actors.staging import until
from .asking import request
from .edge_stage import BODY_BYTES_MAX, EdgeStage, edge_stage
from .raw_client import RawClient, raw_client

PIECE = b"x" * 100_000


class App:
    """An ASGI application that does what paths say.

    Attributes:
        scopes: What it was told of requests.
        lifespan: What it was told of its life.
        sent_bytes: How much of an endless response it could send.
        left: The clients of endless responses that it has seen leave.
    """

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.lifespan: list[str] = []
        self.sent_bytes = 0
        self.left = 0
        self.fails = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        self.scopes.append(scope)
        await getattr(self, scope["path"].strip("/").replace("/", "_"))(receive, send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["since"] = "start"
        self.lifespan.append((await receive())["type"])
        if self.fails:
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        await send({"type": "lifespan.startup.complete"})
        self.lifespan.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    async def hello(self, receive: Any, send: Any) -> None:
        await start(send, 201, (b"X-Who", b"app"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
        await send({"type": "http.response.body", "body": b"hello"})

    async def echo(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        while True:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})
            if not more:
                return

    async def endless(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        try:
            while True:
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
                self.sent_bytes += len(PIECE)
        finally:
            self.left += 1

    async def quiet(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.left += 1

    async def breaks(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise ValueError("halfway")

    async def short(self, receive: Any, send: Any) -> None:
        await start(send, 200, (b"content-length", b"10"))
        await send({"type": "http.response.body", "body": b"five!", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def sized(self, receive: Any, send: Any) -> None:
        await start(send, 200, (b"content-length", b"10"))
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        await send({"type": "http.response.body", "body": b"67890"})

    async def raises(self, receive: Any, send: Any) -> None:
        raise ValueError("the secret reason")

    async def nothing(self, receive: Any, send: Any) -> None:
        return

    async def nonsense(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"no head"})

    async def hang(self, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def file(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        await send({"type": "http.response.body", "body": b"not the file"})


async def start(send: Any, status: int, *headers: tuple[bytes, bytes]) -> None:
    """The head of a response."""
    message: AsgiMessage = {"type": "http.response.start", "status": status, "headers": headers}
    await send(message)


async def tokens(path: str) -> AsyncIterator[str]:
    """A response in pieces, or one that breaks off."""
    yield "one "
    if path == "/torn":
        raise ValueError("halfway")
    yield "two"


ran: list[Cron] = []


class Main(Room):
    """Answers by functions."""

    handler_timeout = 5.0
    body_limit = BODY_BYTES_MAX

    @staticmethod
    def on_fetch(request: Request, lobby: Lobby) -> Any:
        assert (lobby.id, lobby.name) == (None, "main")
        if request.path == "/raise":
            raise ValueError("the secret reason")
        if request.path == "/text":
            return "text"
        if request.path == "/json":
            return {"env": dict(lobby.env), "q": request.query.get("q")}
        if request.path == "/post":
            return Response(request.body[::-1], 202)
        if request.path == "/nonsense":
            return 17
        if request.path in ("/tokens", "/torn"):
            return Response(tokens(request.path), headers={"content-type": "text/event-stream"})
        if request.path.startswith("/hello") or request.path == "/echo":
            return asgi(app)
        return None

    @staticmethod
    def on_cron(cron: Cron, lobby: Lobby) -> None:
        if lobby.env["GREETING"] != "hello":
            raise AssertionError(lobby)
        ran.append(cron)
        if len(ran) > 1:
            raise ValueError("the secret reason")


app = App()


@pytest.fixture
def public(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "file").write_text("the file")
    (folder / "index.html").write_text("<p>the page")
    return folder


@pytest.fixture
async def stage(tmp_path: Path, public: Path) -> AsyncIterator[EdgeStage]:
    """A project whose main class answers by functions."""
    app.__init__()  # type: ignore[misc]
    async with edge_stage(tmp_path, {"main": Main}, public) as stage:
        yield stage


@pytest.fixture
async def site(tmp_path: Path, public: Path) -> AsyncIterator[EdgeStage]:
    """A project whose main class hands over to the application."""
    app.__init__()  # type: ignore[misc]

    class Site(Room):
        handler_timeout = 1.0
        body_limit = BODY_BYTES_MAX
        on_fetch = asgi(app)

    async with edge_stage(tmp_path, {"main": Site}, public) as stage:
        yield stage


@pytest.fixture
async def client(stage: EdgeStage) -> AsyncIterator[RawClient]:
    async with raw_client(stage.port) as client:
        yield client


@pytest.fixture
async def visitor(site: EdgeStage) -> AsyncIterator[RawClient]:
    async with raw_client(site.port) as client:
        yield client


async def chunked(client: RawClient) -> bytes:
    """The rest of a response without a length."""
    body = b""
    async with asyncio.timeout(10):
        while size := int(await client.reader.readline(), 16):
            body += await client.reader.readexactly(size)
            await client.reader.readexactly(2)
        await client.reader.readexactly(2)
    return body


# Functions


async def test_a_function_answers_what_is_for_no_room(client: RawClient) -> None:
    """As on_request does; it gets the body, and the project's variables."""
    client.send(request("/text"), request("/json?q=1"), request("/post", "POST", b"abc"))
    assert (await client.answer()).body == b"text"
    assert json.loads((await client.answer()).body) == {"env": {"GREETING": "hello"}, "q": "1"}
    answer = await client.answer()
    assert (answer.status, answer.body) == (202, b"cba")


async def test_a_function_may_stream_its_answer(client: RawClient) -> None:
    """Piece by piece; one that raises on the way is not taken for a whole one."""
    client.send(request("/tokens"))
    assert (await client.head()).headers["content-type"] == "text/event-stream"
    assert await chunked(client) == b"one two"
    client.send(request("/torn"))
    assert (await client.head()).status == 200
    assert not (await client.ended()).endswith(b"0\r\n\r\n")


async def test_a_static_file_comes_before_it(client: RawClient) -> None:
    """And what neither knows is 404, or the page of a single-page application to who navigates."""
    client.send(request("/file"), request("/unknown"), request("/unknown", "POST"))
    assert (await client.answer()).body == b"the file"
    assert [(await client.answer()).status for _ in range(2)] == [404, 404]
    client.send(request("/unknown", "GET", b"", "Accept: text/html,*/*"))
    answer = await client.answer()
    assert (answer.status, answer.body) == (200, b"<p>the page")


@pytest.mark.parametrize("path", ["/raise", "/nonsense"])
async def test_a_function_that_fails_is_500(
    client: RawClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """In fixed words; why is in the log."""
    client.send(request(path))
    answer = await client.answer()
    assert (answer.status, answer.body) == (500, b"this request could not be answered\n")
    assert "party main: on_fetch raised" in caplog.text


async def test_a_function_may_hand_over_to_an_application(client: RawClient) -> None:
    """Which starts at its first request and is given the body, too."""
    client.send(request("/hello"), request("/echo", "POST", b"abc"))
    answer = await client.answer()
    assert (answer.status, answer.body) == (201, b"hello")
    await client.head()
    assert await chunked(client) == b"abc"
    assert app.lifespan == ["lifespan.startup"]


async def test_a_body_over_the_limit_is_refused(client: RawClient) -> None:
    """413, whether its length was told or not."""
    client.send(request("/post", "POST", b"", f"Content-Length: {BODY_BYTES_MAX + 1}"))
    answer = await client.answer()
    assert (answer.status, answer.headers["connection"].lower()) == (413, "close")


async def test_an_endless_body_is_refused(client: RawClient) -> None:
    """Once it is past the limit."""
    client.send(request("/post", "POST", b"", "Transfer-Encoding: chunked"))
    piece = b"%x\r\n%s\r\n" % (1 << 16, bytes(1 << 16))
    for _ in range(BODY_BYTES_MAX // (1 << 16) + 2):
        client.send(piece)
    assert (await client.answer()).status == 413


async def test_a_cron_runs_when_a_developer_asks(client: RawClient) -> None:
    """By its name; one that is not there is said to be not, one that raises to have raised."""
    ran.clear()
    client.send(request("/__scheduled__?cron=sweep"), request("/__scheduled__?cron=weep"))
    answer = await client.answer()
    assert (answer.status, answer.body) == (200, b"ran cron sweep: 0 3 * * *\n")
    assert [(cron.name, cron.expression) for cron in ran] == [("sweep", "0 3 * * *")]
    answer = await client.answer()
    assert (answer.status, b"sweep" in answer.body) == (404, True)
    client.send(request("/__scheduled__?cron=sweep"))
    answer = await client.answer()
    assert (answer.status, b"secret" in answer.body) == (500, False)


# Applications


async def test_an_application_is_told_of_a_request(site: EdgeStage, visitor: RawClient) -> None:
    """As ASGI has it, and with the state of its lifespan."""
    visitor.send(request("/hel%6co?q=%20&r", "GET", b"", "X-Tag: 1"))
    answer = await visitor.answer()
    assert (answer.status, answer.body, answer.headers["x-who"]) == (201, b"hello", "app")
    [scope] = app.scopes
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("GET", "/hello", b"/hel%6co")
    assert (scope["query_string"], scope["scheme"]) == (b"q=%20&r", "http")
    assert (b"x-tag", b"1") in scope["headers"]
    assert (scope["server"], scope["client"][0]) == (("h", 1999), "127.0.0.1")
    assert scope["state"] == {"env": {"GREETING": "hello"}, "since": "start"}


async def test_a_head_has_no_body(site: EdgeStage, visitor: RawClient) -> None:
    """Whatever the application sends."""
    visitor.send(request("/sized", "HEAD"), request("/file"))
    assert (await visitor.head()).headers["content-length"] == "10"
    assert (await visitor.answer()).body == b"the file"


async def test_bodies_are_streamed_both_ways(site: EdgeStage, visitor: RawClient) -> None:
    """The response begins before the request has ended."""
    visitor.send(request("/echo", "POST", b"", "Transfer-Encoding: chunked"), b"3\r\none\r\n")
    await visitor.head()
    assert await visitor.reader.readexactly(8) == b"3\r\none\r\n"
    visitor.send(b"3\r\ntwo\r\n0\r\n\r\n")
    assert await chunked(visitor) == b"two"


async def test_a_large_body_passes_whole(site: EdgeStage, visitor: RawClient) -> None:
    """Many windows of it."""
    body = bytes(range(256)) * (BODY_BYTES_MAX // 256)
    visitor.send(request("/echo", "POST", body))
    await visitor.head()
    assert await chunked(visitor) == body


async def test_a_response_keeps_its_length(site: EdgeStage, visitor: RawClient) -> None:
    """So that clients can show how far a download is."""
    visitor.send(request("/sized"))
    assert (await visitor.answer()).body == b"1234567890"


async def test_a_client_that_does_not_read_holds_up_the_application(site: EdgeStage) -> None:
    """At a few windows: nobody's memory fills. When it leaves, the application is told."""
    async with raw_client(site.port, receive_bytes=4096) as slow:
        slow.send(request("/endless"))
        await slow.head()
        async with raw_client(site.port) as other:
            sent_bytes = -1
            while sent_bytes != app.sent_bytes:  # until the system's own buffers are full, too
                sent_bytes = app.sent_bytes
                for _ in range(20):
                    other.send(request("/hello"))
                    assert (await other.answer()).status == 201
        [exchange] = site.edge.exchanges()
        assert exchange.outgoing.held_up
    await until(lambda: app.left == 1)


async def test_an_application_is_told_that_a_quiet_client_has_left(site: EdgeStage) -> None:
    """Although it sends it nothing, as with server-sent events."""
    async with raw_client(site.port) as leaving:
        leaving.send(request("/quiet"))
        await leaving.head()
        await leaving.reader.readuntil(b"first")
    await until(lambda: app.left == 1)


@pytest.mark.parametrize("path", ["/breaks", "/short"])
async def test_a_response_that_breaks_off_is_no_whole_one(
    site: EdgeStage, visitor: RawClient, path: str
) -> None:
    """Its connection ends before the response does, as nothing else would tell."""
    visitor.send(request(path))
    await visitor.head()
    assert not (await visitor.ended()).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/raises", 500), ("/nothing", 500), ("/nonsense", 500), ("/unknown", 500), ("/hang", 504)],
)
async def test_an_application_that_gives_no_response_is_said_so(
    site: EdgeStage, visitor: RawClient, path: str, status: int
) -> None:
    """In fixed words."""
    visitor.send(request(path))
    answer = await visitor.answer()
    assert (answer.status, b"secret" in answer.body) == (status, False)


async def test_an_application_lives_as_long_as_its_edge(site: EdgeStage) -> None:
    """It starts with it and is told of its end."""
    assert app.lifespan == ["lifespan.startup"]
    await site.edge.stop()
    assert app.lifespan == ["lifespan.startup", "lifespan.shutdown"]


async def test_an_application_that_cannot_start_stops_its_edge(site: EdgeStage) -> None:
    """So a version with it is not deployed; the error is its own."""
    failing = App()
    failing.fails = True
    parties = {"main": type("Main", (Room,), {"on_fetch": asgi(factory=lambda: failing)})}
    with pytest.raises(StartFailed, match="no database"):
        await site.start_edge(2, parties)
    site.edges.pop()


async def test_an_application_may_know_no_lifespan(site: EdgeStage) -> None:
    """Then it is left alone with it."""

    async def simple(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await app.hello(receive, send)

    parties = {"main": type("Main", (Room,), {"on_fetch": asgi(simple)})}
    await site.start_edge(2, parties)
    site.deploy(2, parties)
    async with raw_client(site.port) as client:
        client.send(request("/"), request("/x"))
        assert (await client.answer()).body == b"<p>the page"
        assert (await client.answer()).body == b"hello"


@pytest.mark.parametrize(("args", "factory"), [((), None), ((app,), App), ((17,), None)])
def test_asgi_takes_an_application_or_a_factory(args: Any, factory: Any) -> None:
    """And nothing else."""
    with pytest.raises(TypeError, match="application"):
        asgi(*args, factory=factory)
