"""HTTP at a real gateway: targets that are whole URLs, connections that are kept, no version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.request import Request
from parlour.actors.room import Room
from parlour.runtime import gateway as gateway_module
from parlour.runtime.gateway_news import GatewayNews

from .asking import request
from .edge_stage import EdgeStage, edge_stage
from .raw_client import RawClient, raw_client, upgrade


class Site(Room):
    """Says which URL was asked for, where no room is."""

    @staticmethod
    def on_fetch(request: Request, lobby: object) -> str:
        return f"{request.url} {request.path} {request.headers['host']}"


@pytest.fixture
async def stage(
    tmp_path: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EdgeStage]:
    """A deployed project with files, whose gateway waits shortly for a second request."""
    monkeypatch.setattr(gateway_module, "HTTP_IDLE_S", 0.2)
    async with edge_stage(tmp_path, {"main": Site}, public) as stage:
        yield stage


@pytest.fixture
async def client(stage: EdgeStage) -> AsyncIterator[RawClient]:
    async with raw_client(stage.port) as client:
        yield client


async def test_a_target_may_be_a_whole_url(stage: EdgeStage, client: RawClient) -> None:
    """Rooms, files and `on_fetch` see its path, and its host in place of the header's."""
    client.send(request("http://a.example:81/party/x%2Fy/z?q=1"))
    head, _ = await stage.answer_request()
    assert (head.url, head.path) == ("http://a.example:81/party/x%2Fy/z?q=1", "/z")
    assert dict(head.headers)["Host"] == "a.example:81"
    assert (await client.answer()).body == b"ok"
    client.send(request("HTTP://a.example/file"))
    assert (await client.answer()).body == b"the file"
    client.send(request("http://me@a.example//b?c"))
    assert (await client.answer()).body == b"http://a.example//b?c //b a.example"
    client.send(request("http://a.example?c"))
    assert (await client.answer()).body == b"<p>the page"


@pytest.mark.parametrize("kept", [True, False])
async def test_a_websocket_may_be_asked_for_by_a_whole_url(
    stage: EdgeStage, client: RawClient, kept: bool
) -> None:
    """On a new connection, and on one that served HTTP."""
    if kept:
        client.send(request("/file"))
        await client.answer()
    client.send(upgrade("http://a.example/party/x?_pk=ada"))
    connect = await stage.let_in()
    await client.opened()
    assert b"ws://a.example/party/x?_pk=ada" in connect.payload


async def test_a_second_request_has_to_come_in_time(client: RawClient) -> None:
    """A head that goes on without end ends the connection, as silence does."""
    client.send(request("/file"))
    assert (await client.answer()).status == 200
    client.send(request("/file")[:-2])

    async def dribble() -> None:
        while True:
            client.send(b"X: y\r\n")
            await asyncio.sleep(0.02)

    dribbling = asyncio.create_task(dribble())
    async with asyncio.timeout(5):
        assert await client.reader.read() == b""
    dribbling.cancel()


async def test_a_body_that_is_not_what_it_says_fills_no_log(
    client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the client's mistake, of which it is told."""
    client.send(request("/party/x", "POST", b"hello", "Content-Encoding: gzip"))
    assert (await client.answer()).status == 400
    await client.ended()
    assert [record for record in caplog.records if record.exc_info] == []


async def test_clients_are_to_come_again_while_nothing_is_deployed(
    stage: EdgeStage, client: RawClient
) -> None:
    """503: everything may be starting, and 404 would be the last word for clients."""
    stage.gateway.use(GatewayNews())
    for target in ("/party/x", "/parties/chat/x"):
        client.send(request(target))
        answer = await client.answer()
        assert (answer.status, answer.body) == (503, b"nothing is deployed here yet; try again\n")
    client.send(request("/party/"))
    assert (await client.answer()).status == 400
    client.send(upgrade())
    assert (await client.answer()).status == 503
