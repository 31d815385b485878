"""on_fetch as a function: what answers for no room."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors.asgi import asgi
from parlour.actors.edge_hooks import Cron, Lobby
from parlour.actors.request import Request
from parlour.actors.response import Response
from parlour.actors.room import Room

from .asgi_app import app, chunked
from .asking import request
from .edge_stage import BODY_BYTES_MAX, EdgeStage, edge_stage
from .raw_client import RawClient, raw_client


async def tokens(path: str) -> AsyncIterator[str]:
    """A response in pieces, or one that breaks off."""
    yield "one "
    if path == "/torn":
        raise ValueError("halfway")
    if path == "/panic":
        raise BaseExceptionGroup("halfway", [KeyboardInterrupt()])
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
        if request.path == "/read":
            return request.text()
        if request.path == "/post":
            return Response(request.body[::-1], 202)
        if request.path == "/nonsense":
            return 17
        if request.path in ("/tokens", "/torn", "/panic"):
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


@pytest.fixture
async def stage(tmp_path: Path, public: Path) -> AsyncIterator[EdgeStage]:
    """A project whose main class answers by functions."""
    app.__init__()  # type: ignore[misc]
    async with edge_stage(tmp_path, {"main": Main}, public) as stage:
        yield stage


@pytest.fixture
async def client(stage: EdgeStage) -> AsyncIterator[RawClient]:
    async with raw_client(stage.port) as client:
        yield client


@pytest.mark.parity("onFetch", "Lobby (PartyKit)")
async def test_a_function_answers_what_is_for_no_room(client: RawClient) -> None:
    """As on_request does; it gets the body, and the project's variables."""
    client.send(request("/text"), request("/json?q=1"), request("/post", "POST", b"abc"))
    assert (await client.answer()).body == b"text"
    assert json.loads((await client.answer()).body) == {"env": {"GREETING": "hello"}, "q": "1"}
    answer = await client.answer()
    assert (answer.status, answer.body) == (202, b"cba")


async def test_a_function_may_stream_its_answer(client: RawClient) -> None:
    """Piece by piece."""
    client.send(request("/tokens"))
    assert (await client.head()).headers["content-type"] == "text/event-stream"
    assert await chunked(client) == b"one two"


@pytest.mark.parametrize("path", ["/torn", "/panic"])
async def test_a_streamed_answer_that_raises_is_not_taken_for_a_whole_one(
    client: RawClient, path: str
) -> None:
    """Whether that is an Exception or not."""
    client.send(request(path))
    assert (await client.head()).status == 200
    assert not (await client.ended()).endswith(b"0\r\n\r\n")


@pytest.mark.parity("onFetch", "static assets", "no match")
async def test_a_static_file_comes_before_it(client: RawClient) -> None:
    """And what neither knows is 404, or the page of a single-page application to who navigates."""
    client.send(request("/file"), request("/unknown"), request("/unknown", "POST"))
    assert (await client.answer()).body == b"the file"
    assert [(await client.answer()).status for _ in range(2)] == [404, 404]
    client.send(request("/unknown", "GET", b"", "Accept: text/html,*/*"))
    answer = await client.answer()
    assert (answer.status, answer.body) == (200, b"<p>the page")


async def test_a_body_that_a_function_cannot_read_is_the_clients_mistake(
    client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    """400, and nothing in the log."""
    client.send(request("/read", "POST", b"\xff"))
    answer = await client.answer()
    assert (answer.status, answer.body[:25]) == (400, b"the body cannot be read: ")
    assert "raised" not in caplog.text


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


@pytest.mark.parity("onCron")
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
