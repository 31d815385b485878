"""Who is to blame for the end of a process: an event that had begun, and never one that waited."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid

import aiohttp
import pytest
import redis.asyncio
from parlour.storage.embedded import EmbeddedServer
from parlour.storage.keys import OWNER, metadata_key

from ..support.processes import ROOM_ACTOR, descendants
from ..support.running import RunningParlour

KILLS = 4


@pytest.mark.timeout(120)
async def test_a_message_that_has_not_begun_outlives_any_number_of_processes(
    own_parlour: RunningParlour, own_server: EmbeddedServer
) -> None:
    """Its room is killed while it starts, again and again: the socket stays, the answer comes."""
    room = uuid.uuid4().hex
    async with (
        redis.asyncio.Redis.from_url(own_server.url, decode_responses=True) as server,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{own_parlour.ws_url}/parties/latestarter/{room}") as socket,
    ):
        owner = await next_owner(server, f"latestarter/{room}", "")
        kill_room_actors(own_parlour)
        request = {"client": "c", "seq": 1, "write": 1, "op": "add", "retry": False, "fresh": True}
        await socket.send_str(json.dumps(request))
        for _ in range(KILLS):
            owner = await next_owner(server, f"latestarter/{room}", owner)
            kill_room_actors(own_parlour)
        async with asyncio.timeout(30):
            assert await socket.receive_json() == {"seq": 1, "start": 2, "result": 1}


async def next_owner(server: redis.asyncio.Redis, space: str, before: str) -> str:
    """Wait until another process has claimed the room; it has half a second of starting left."""
    async with asyncio.timeout(30):
        while True:
            owner = await server.hget(metadata_key(space), OWNER)
            if owner and owner != before:
                return str(owner)
            await asyncio.sleep(0.02)


def kill_room_actors(parlour: RunningParlour) -> None:
    for process in descendants(parlour.session, ROOM_ACTOR):
        process.send(signal.SIGKILL)
