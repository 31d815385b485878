"""Edge hooks in a running Parlour: an edge of its own, which Ray restarts."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from tests.support.running import RunningParlour

OUTAGE_S = 30.0  # for Ray to start an edge again


async def test_a_hook_decides_who_comes_in_and_as_whom(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """Over WebSocket and HTTP; what it refuses, or raises, is an answer in place of 101."""
    async with http.ws_connect(f"{parlour.ws_url}/party/x?token=of-ada&_pk=eve") as socket:
        assert await socket.receive_str() == "hello ada"
    async with http.get(f"{parlour.url}/party/x?token=of-bob") as answer:
        assert (answer.status, await answer.text()) == (200, "bob")
    for token, status in (("", 403), ("raise", 401)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{parlour.ws_url}/party/x?token={token}")
        assert refused.value.status == status


async def test_a_blocking_hook_holds_nobody_else_up(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """Its own client waits for it; others come in meanwhile."""
    blocked = asyncio.ensure_future(http.ws_connect(f"{parlour.ws_url}/party/x?token=block"))
    await asyncio.sleep(0)
    async with http.ws_connect(f"{parlour.ws_url}/party/y?token=of-ada") as socket:
        assert await socket.receive_str() == "hello ada"
    assert not blocked.done()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await blocked
    assert refused.value.status == 403


async def test_the_site_beside_the_rooms_outlives_its_process(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """Whoever ended it is told to try again; then it is back, as another process."""

    async def post() -> tuple[int, str, bytes]:
        async with http.post(f"{parlour.url}/site", data=bytes(1_000_000)) as answer:
            return answer.status, answer.headers.get("x-process", ""), await answer.read()

    status, process, body = await post()
    assert (status, body) == (200, bytes(1_000_000))
    async with http.get(f"{parlour.url}/exit") as answer:
        assert answer.status == 503
    give_up_s = time.monotonic() + OUTAGE_S
    while True:  # each request waits for the edge by itself
        status, other, body = await post()
        if status == 200:
            break
        assert time.monotonic() < give_up_s
    assert (other != process, body) == (True, bytes(1_000_000))
    async with http.get(f"{parlour.url}/nowhere") as answer:
        assert answer.status == 404
