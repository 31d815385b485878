"""`parlour tail` beside a running Parlour."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.support.running import RunningParlour

from .test_operating_live_rooms import command

PATIENCE_S = 40.0


@asynccontextmanager
async def tail(parlour: RunningParlour, *options: str) -> AsyncIterator[asyncio.StreamReader]:
    """Its output, from when it follows on; it is ended as by Ctrl-C, and ends in order."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parlour", "tail", *options, "--address", parlour.ray_address),
        env=parlour.ray_environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            said = await process.stderr.readline()
            assert said == b"following; Ctrl-C ends it\n", said + await process.stderr.read()
        yield process.stdout
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0
            assert await process.stderr.read() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def next_json(output: asyncio.StreamReader) -> Any:
    """The next line."""
    async with asyncio.timeout(PATIENCE_S):
        return json.loads(await output.readline())


@pytest.mark.parity("log tail")
async def test_what_a_room_does_is_followed(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """A connect, a message, what a hook raised, a request and the close, in their order."""
    room = uuid.uuid4().hex
    url = f"{parlour.url}/parties/faulty/{room}"
    async with tail(parlour, "--party", "faulty", "--room", room, "--json") as output:
        async with http.ws_connect(url + "?_pk=ada") as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "still here"
            await socket.send_str("raise")
            async with http.get(url) as answer:
                assert answer.status == 200
        seen = [await next_json(output) for _ in range(6)]
    assert [each["kind"] for each in seen] == [
        "connect",
        "message",
        "error",
        "message",
        "request",
        "close",
    ]
    assert {(each["party"], each["room"]) for each in seen} == {("faulty", room)}
    assert [each["who"] for each in seen] == ["ada", "ada", "ERROR", "ada", "GET /", "ada"]
    assert seen[1]["size_bytes"] == 5
    assert seen[1]["text"] == ""  # contents were not asked for
    assert 0 < seen[1]["duration_s"] < PATIENCE_S
    assert "secret of on_message" in seen[2]["text"]


@pytest.mark.parity("log tail")
async def test_what_is_shown_can_be_chosen(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """Messages alone, with their contents, of the node that is named."""
    room = uuid.uuid4().hex
    options = ("--room", room, "--kind", "message,alarm", "--contents")
    node = parlour.ray_address.partition(":")[0]
    async with (
        tail(parlour, *options, "--node", node) as output,
        http.ws_connect(f"{parlour.ws_url}/parties/echo/{room}?_pk=ada") as socket,
    ):
        await socket.send_str("what I say")
        async with asyncio.timeout(PATIENCE_S):
            line = (await output.readline()).decode()
    assert f" echo/{room} message ada 10 B " in line
    assert line.endswith(" ms what I say\n")


async def test_a_node_that_does_not_exist_is_one_sentence(parlour: RunningParlour) -> None:
    """And a kind that does not exist a usage error."""
    refused = await command(parlour, "tail", "--node", "nowhere")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: no node called 'nowhere' answers")
    assert (await command(parlour, "tail", "--kind", "message,gossip")).returncode == 2
