"""on_fetch as an ASGI application: what it is told, and what becomes of its responses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors.asgi import StartFailed, asgi
from parlour.actors.room import Room

from ..actors.staging import until
from .asgi_app import App, app, chunked
from .asking import request
from .edge_stage import BODY_BYTES_MAX, EdgeStage, edge_stage
from .raw_client import RawClient, raw_client


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
async def visitor(site: EdgeStage) -> AsyncIterator[RawClient]:
    async with raw_client(site.port) as client:
        yield client


@pytest.mark.parity("web-framework middleware")
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
