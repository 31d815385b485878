"""on_before_connect and on_before_request: what they let through, and what clients are told."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors import edge, edge_hands, messages
from parlour.actors.edge_hooks import Lobby
from parlour.actors.messages import ConnectionRecord
from parlour.actors.request import Request
from parlour.actors.response import Response
from parlour.actors.room import Room
from parlour.runtime import edge_client, room_finder

from ..actors.staging import until
from .asking import request
from .edge_stage import EdgeStage, edge_stage
from .raw_client import RawClient, raw_client, upgrade

gate = threading.Event()  # what `?wait` waits for
waiting = threading.Semaphore(0)  # counts those that do


async def pieces() -> AsyncIterator[bytes]:
    """A streamed body."""
    yield b"piece"


def decide(request: Request, lobby: Lobby) -> Any:
    """What the query asks for."""
    if "wait" in request.query:
        waiting.release()
        gate.wait(20)
    if "raise" in request.query:
        raise PermissionError("the secret reason")
    if "exit" in request.query:
        raise SystemExit
    if "panic" in request.query:
        raise BaseExceptionGroup("secret", [KeyboardInterrupt()])
    if "broken" in request.query:
        request.url = 5  # type: ignore[assignment]
        return request
    if "nonsense" in request.query:
        return False
    if "stream" in request.query:
        return Response(pieces())
    if "refuse" in request.query:
        return Response("not today", 403, {"x-why": "rain"})
    if "change" in request.query:
        url = request.url.replace("_pk=anybody", "_pk=ada")
        headers = {"x-user": f"ada of {lobby.name}/{lobby.id}"}
        body = request.body + lobby.env["GREETING"].encode()
        return request.replace(url=url, headers=headers, body=body)
    return None


class Guarded(Room):
    """Asks a function."""

    handler_timeout = 20.0

    @staticmethod
    def on_before_connect(request: Request, lobby: Lobby) -> Any:
        return decide(request, lobby)

    @classmethod
    def on_before_request(cls, request: Request, lobby: Lobby) -> Any:
        assert cls is Guarded
        return decide(request, lobby)


class Async(Room):
    """Asks a coroutine."""

    handler_timeout = 0.05

    @staticmethod
    async def on_before_connect(request: Request, lobby: Lobby) -> Any:
        if "hang" in request.query:
            await until(lambda: False)
        return decide(request, lobby)


class Open(Room):
    """Has no hook."""


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EdgeStage]:
    """A gateway with these classes and their edge."""
    monkeypatch.setattr(room_finder, "BACKOFF_MAX_S", 0.0)
    gate.clear()
    parties = {"guarded": Guarded, "async": Async, "open": Open}
    async with edge_stage(tmp_path, parties) as stage:
        yield stage
        gate.set()


@pytest.fixture
async def client(stage: EdgeStage) -> AsyncIterator[RawClient]:
    """A client of the gateway."""
    async with raw_client(stage.port) as client:
        yield client


@pytest.mark.parity("onBeforeConnect (PartyKit)", "onBeforeConnect (partyserver)")
@pytest.mark.parametrize("party", ["guarded", "async"])
async def test_a_client_is_let_through(stage: EdgeStage, client: RawClient, party: str) -> None:
    """As it is, when the hook returns None; whether that is def or async def."""
    client.send(upgrade(f"/parties/{party}/a%20b/x?_pk=anybody", X_Mine="1"))
    record = messages.decode((await stage.let_in()).payload, ConnectionRecord)
    await client.opened()
    assert (record.id, record.uri) == ("anybody", f"ws://h/parties/{party}/a%20b/x?_pk=anybody")
    assert "1" in [value for name, value in record.headers if name.lower() == "x-mine"]


@pytest.mark.parity("onBeforeConnect (PartyKit)", "Lobby (PartyKit)", "Lobby (partyserver)")
async def test_a_hook_changes_the_request_that_opens_a_connection(
    stage: EdgeStage, client: RawClient
) -> None:
    """The room sees its headers and URL, and the connection has the id that is in it."""
    client.send(upgrade("/parties/guarded/a%20b?change&_pk=anybody"))
    record = messages.decode((await stage.let_in()).payload, ConnectionRecord)
    await client.opened()
    assert record.id == "ada"
    assert record.uri.endswith("?change&_pk=ada")
    assert ("x-user", "ada of guarded/a b") in record.headers


@pytest.mark.parity("onBeforeConnect (PartyKit)", "onBeforeRequest")
@pytest.mark.parametrize("opening", [True, False])
async def test_a_hook_answers_instead_of_the_room(
    stage: EdgeStage, client: RawClient, opening: bool
) -> None:
    """With its status, headers and body; the room hears nothing."""
    target = "/parties/guarded/x?refuse"
    client.send(upgrade(target) if opening else request(target))
    answer = await client.answer()
    assert (answer.status, answer.body, answer.headers["x-why"]) == (403, b"not today", "rain")
    assert stage.manager.asked == []
    assert stage.gateway.rooms_held == 0
    if opening:
        assert await client.ended() == b""


@pytest.mark.parity("onBeforeConnect (PartyKit)", "onBeforeRequest")
@pytest.mark.parametrize("what", ["raise", "exit", "panic", "nonsense", "broken", "stream"])
@pytest.mark.parametrize("opening", [True, False])
async def test_a_hook_that_fails_lets_nobody_in(
    stage: EdgeStage,
    client: RawClient,
    caplog: pytest.LogCaptureFixture,
    what: str,
    opening: bool,
) -> None:
    """401 in fixed words; why is in the log alone."""
    target = f"/parties/guarded/x?{what}"
    client.send(upgrade(target) if opening else request(target))
    answer = await client.answer()
    assert (answer.status, answer.body) == (401, b"this request is not let in\n")
    assert "on_before_" in caplog.text
    assert what != "raise" or "the secret reason" in caplog.text
    assert stage.manager.asked == []


async def test_an_id_that_a_hook_chooses_is_checked(stage: EdgeStage, client: RawClient) -> None:
    """As one that a client chooses."""

    class TooLong(Room):
        @staticmethod
        def on_before_connect(request: Request, lobby: Lobby) -> Any:
            return Request("GET", f"ws://h/?_pk={'x' * 300}", "/", [])

    await stage.start_edge(2, {"main": TooLong})
    stage.deploy(2, {"main": TooLong})
    client.send(upgrade("/party/x"))
    assert (await client.answer()).status == 400


@pytest.mark.parity("onBeforeRequest")
async def test_a_request_goes_on_to_its_room(stage: EdgeStage, client: RawClient) -> None:
    """As it is with None, body and all."""
    client.send(request("/parties/guarded/a%20b/x?q", "POST", b"body"))
    head, body = await stage.answer_request()
    assert (await client.answer()).body == b"ok"
    assert (head.method, head.path, body) == ("POST", "/x", b"body")
    assert head.url == "http://h:1999/parties/guarded/a%20b/x?q"


async def test_a_hook_changes_a_request(stage: EdgeStage, client: RawClient) -> None:
    """Headers, URL and body."""
    client.send(request("/parties/guarded/b?change&_pk=anybody", "POST", b"body and "))
    head, body = await stage.answer_request()
    assert (await client.answer()).status == 200
    assert body == b"body and hello"
    assert ("x-user", "ada of guarded/b") in head.headers
    assert head.url.endswith("_pk=ada")


async def test_a_streamed_body_goes_on_unseen(stage: EdgeStage, client: RawClient) -> None:
    """The hook is shown the head alone, and what it changes there counts."""

    class Uploads(Room):
        body_limit, stream_bodies = 10, True

        @staticmethod
        def on_before_request(request: Request, lobby: Lobby) -> Any:
            assert request.body == b""
            return request.replace(headers={"x-user": "ada"})

    await stage.start_edge(2, {"main": Uploads})
    stage.deploy(2, {"main": Uploads})
    client.send(request("/party/x", "POST", b"more than ten bytes"))
    head, body = await stage.answer_request()
    assert (head.streamed, body) == (True, b"")
    assert ("x-user", "ada") in head.headers
    assert (await client.answer()).status == 200


@pytest.mark.parity("onBeforeConnect (PartyKit)")
async def test_a_blocking_hook_delays_its_own_client_alone(
    stage: EdgeStage, client: RawClient
) -> None:
    """Others of its class are let in meanwhile, and those of a class without hooks."""
    client.send(upgrade("/parties/guarded/x?wait"))
    await until(lambda: waiting.acquire(blocking=False))
    for party in ("guarded", "open"):
        async with raw_client(stage.port) as other:
            other.send(upgrade(f"/parties/{party}/{party}"))
            await stage.let_in()
            await other.opened()
    assert stage.manager.asked[-1].party == "open"
    gate.set()
    await stage.let_in()
    await client.opened()


async def test_a_client_that_leaves_meanwhile_never_meets_its_room(
    stage: EdgeStage, client: RawClient
) -> None:
    """Nobody waits for it any more."""
    client.send(upgrade("/parties/guarded/x?wait"))
    await until(lambda: waiting.acquire(blocking=False))
    client.writer.transport.abort()
    async with raw_client(stage.port) as other:
        gate.set()
        other.send(upgrade("/parties/guarded/other"))
        await stage.let_in()
        await other.opened()
    assert [key.id for key in stage.manager.asked] == ["other"]


async def test_a_hook_that_takes_too_long_is_given_up(
    stage: EdgeStage, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    """504, after the `handler_timeout` of its class."""
    client.send(upgrade("/parties/async/x?hang"))
    assert (await client.answer()).status == 504
    assert "on_before_connect is not answered: late" in caplog.text


async def test_more_hooks_than_may_block_are_refused(
    stage: EdgeStage, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 at once; the one that blocks is still answered."""
    monkeypatch.setattr(edge_hands, "THREADS_MAX", 1)
    client.send(request("/parties/guarded/x?wait&refuse"))
    await until(lambda: waiting.acquire(blocking=False))
    async with raw_client(stage.port) as other:
        other.send(request("/parties/guarded/x?refuse"))
        assert (await other.answer()).status == 503
        gate.set()
        assert (await client.answer()).status == 403
        other.send(request("/parties/guarded/x?refuse"))
        assert (await other.answer()).status == 403


@pytest.mark.parametrize(
    ("module", "limit"), [(edge_client, "ASKED_BYTES_MAX"), (edge, "BODIES_BYTES_MAX")]
)
async def test_more_than_may_be_held_is_refused(
    stage: EdgeStage, client: RawClient, monkeypatch: pytest.MonkeyPatch, module: Any, limit: str
) -> None:
    """503: neither process keeps all the bodies that clients may send at once."""
    monkeypatch.setattr(module, limit, 100)
    client.send(request("/parties/guarded/x?wait&refuse", "POST", bytes(60)))
    await until(lambda: waiting.acquire(blocking=False))
    async with raw_client(stage.port) as other:
        other.send(request("/parties/guarded/x?refuse", "POST", bytes(60)))
        assert (await other.answer()).status == 503
        gate.set()
        assert (await client.answer()).status == 403
        other.send(request("/parties/guarded/x?refuse", "POST", bytes(60)))
        assert (await other.answer()).status == 403


async def test_an_edge_that_is_not_there_yet_is_waited_for(
    stage: EdgeStage, client: RawClient
) -> None:
    """The gateway may hear of a version before its edge is up on the node."""
    stage.deploy(2)
    client.send(request("/parties/guarded/x?refuse", "POST", bytes(60)))
    await until(lambda: stage.gateway.edge._asked_bytes == 60)
    await stage.start_edge(2)
    assert (await client.answer()).status == 403


async def test_an_edge_that_does_not_come_is_said_so(
    stage: EdgeStage, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503: nobody is let in unasked. Classes without hooks go on."""
    monkeypatch.setattr(edge_client, "EDGE_PATIENCE_S", 0.0)
    stage.deploy(2)
    client.send(request("/parties/guarded/x"))
    assert (await client.answer()).status == 503
    client.send(upgrade("/parties/open/x"))
    await stage.let_in()
    await client.opened()


async def test_an_edge_that_dies_costs_its_questions_an_answer(
    stage: EdgeStage, client: RawClient
) -> None:
    """503, and the next one is asked when it is back."""
    client.send(request("/parties/guarded/x?wait"))
    await until(lambda: waiting.acquire(blocking=False))
    await stage.edge.stop()
    assert (await client.answer()).status == 503
    gate.set()
    await stage.start_edge(1)
    client.send(request("/parties/guarded/x?refuse"))
    assert (await client.answer()).status == 403


async def test_a_new_version_is_asked_from_then_on(stage: EdgeStage, client: RawClient) -> None:
    """What the one before has in hand it answers; then its line is closed."""

    class Stricter(Room):
        @staticmethod
        def on_before_request(request: Request, lobby: Lobby) -> Any:
            return Response("closed", 410)

    client.send(request("/parties/guarded/x?wait&refuse"))
    await until(lambda: waiting.acquire(blocking=False))
    await stage.start_edge(2, {"guarded": Stricter})
    stage.deploy(2, {"guarded": Stricter})
    async with raw_client(stage.port) as other:
        other.send(request("/parties/guarded/x"))
        assert (await other.answer()).status == 410
    assert stage.edges[0].linked
    gate.set()
    assert (await client.answer()).status == 403
    await until(lambda: not stage.edges[0].linked)


async def test_what_was_answered_is_shown_to_who_wants_to_see_it(
    stage: EdgeStage, client: RawClient
) -> None:
    """Method, path and status, of HTTP and of refused sockets; no query, which may hold a token."""
    for asked in (
        request("/parties/guarded/x?refuse&token=1"),
        request("/nothing", "POST"),
        upgrade("/parties/guarded/y?raise&token=1"),
    ):
        client.send(asked)
        await client.answer()
    async with raw_client(stage.port) as other:
        other.send(upgrade("/parties/nobody/z?token=1"))
        await other.answer()
    await until(lambda: len(stage.manager.seen) >= 4)
    assert sorted(seen.who for seen in stage.manager.seen) == [
        "GET /parties/guarded/x 403",
        "GET /parties/guarded/y 401",
        "GET /parties/nobody/z 404",
        "POST /nothing 404",
    ]
    assert {seen.kind for seen in stage.manager.seen} == {"http"}
