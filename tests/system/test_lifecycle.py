"""What the options of a class do to the life of its rooms, on the real parts."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import aiohttp
import pytest
import redis
from parlour.storage.keys import OWNER, metadata_key

from tests.support.running import RunningParlour
from tests.system.test_hibernate_and_wake import hibernated


@pytest.fixture
def room() -> str:
    """A room of this test's own."""
    return uuid.uuid4().hex


async def asked(http: aiohttp.ClientSession, parlour: RunningParlour, path: str) -> Any:
    """What a room answers."""
    async with http.get(f"{parlour.url}/parties/{path}") as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def said(socket: aiohttp.ClientWebSocketResponse, message: str) -> str:
    """Send and hear the answer."""
    await socket.send_str(message)
    return await socket.receive_str()


async def test_on_stop_runs_before_a_room_hibernates(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """With the reason; what it writes is stored, also when it raises afterwards."""
    for name in (room, f"raises-{room}"):
        assert await asked(http, parlour, f"stopper/{name}") == {"starts": 1, "stops": []}
        await hibernated(server, "stopper", name)
        assert await asked(http, parlour, f"stopper/{name}") == {
            "starts": 2,
            "stops": ["hibernate"],
        }


async def test_a_room_past_its_lifetime_starts_anew(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Although it is never idle for long."""
    async with asyncio.timeout(20):
        while (answer := await asked(http, parlour, f"aging/{room}"))["starts"] < 3:
            pass
    assert answer["stops"] == ["lifetime", "lifetime"]


@pytest.mark.parity("memory")
async def test_a_room_over_its_memory_limit_is_reset(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """It is logged; the socket stays and the next message is answered."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/hungry/{room}") as socket:
        assert await said(socket, "eat") == "full"
        await hibernated(server, "hungry", room)
        await asyncio.to_thread(parlour.wait_for_line, f"room hungry/{room} is reset")
        assert (await asked(http, parlour, f"hungry/{room}"))["stops"] == ["memory"]
        assert await said(socket, "eat") == "full"


@pytest.mark.timeout(120)
async def test_the_largest_value_fits_the_memory_of_a_room(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Of a class that says nothing about memory: it is not reset while it stores or reads it."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/archive/{room}") as socket:
        for message in ("store", "read", "store"):
            assert await said(socket, message) == f"{64 * 1024 * 1024} 1"


async def test_hibernate_false_keeps_a_room_that_has_connections(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """Another room with the same patience hibernates meanwhile; without connections it may."""
    socket = await http.ws_connect(f"{parlour.ws_url}/parties/keeper/{room}")
    assert await asked(http, parlour, f"stopper/{room}") == {"starts": 1, "stops": []}
    await hibernated(server, "stopper", room)
    assert server.hget(metadata_key(f"keeper/{room}"), OWNER)
    await socket.close()
    await hibernated(server, "keeper", room)


async def test_rooms_of_one_class_share_a_process(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """As many as the class allows, each with its own storage and its own failures."""
    sockets = [
        await http.ws_connect(f"{parlour.ws_url}/parties/shared/{room}-{n}") for n in range(10)
    ]
    pids = {(await said(socket, "x")).split()[1] for socket in sockets}
    assert len(pids) == 1
    await sockets[0].send_str("raise")
    for socket in sockets:
        assert (await said(socket, "x")).split()[0] == "2"

    await sockets[0].send_str("die")  # twice, then it is given up and its client told
    assert (await sockets[0].receive()).data == 1011
    for socket in sockets[1:]:
        assert (await said(socket, "x")).split()[0] == "3"
    for socket in sockets:
        await socket.close()


async def test_a_hook_over_its_time_is_cancelled_and_its_client_told(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """The socket is closed with 1011, a request answered with 504; the room goes on."""
    url = f"{parlour.ws_url}/parties/slow/{room}"
    async with http.ws_connect(url) as other, http.ws_connect(url) as socket:
        await socket.send_str("slow")
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)
        assert await said(other, "still here") == "still here"
        async with http.ws_connect(url + "?slow=1") as late:
            assert (await late.receive()).data == 1011
        async with http.get(f"{parlour.url}/parties/slow/{room}") as response:
            assert response.status == 504
        assert await said(other, "and still") == "and still"
    await asyncio.to_thread(parlour.wait_for_line, "took longer than 0.3 s")


async def test_an_interleaving_room_takes_turns_where_it_awaits(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """But not where it awaits its storage: no count is lost."""
    url = f"{parlour.ws_url}/parties/interleaved/{room}"
    async with http.ws_connect(url) as one, http.ws_connect(url) as other:
        await one.send_str("wait")
        await other.send_str("open")
        assert await one.receive_str() == "waited"
        for number in range(50):
            await one.send_str(str(number))
            await other.send_str(str(-number))
        counts = [int(await s.receive_str()) for _ in range(50) for s in (one, other)]
        assert sorted(counts) == list(range(1, 101))


@pytest.mark.parity("CPU")
async def test_work_can_be_left_to_a_ray_task(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """It runs in another process, and what it raises arrives as itself."""
    answer = await asked(http, parlour, f"offloader/{room}")
    assert answer["task"] != answer["pid"]
    assert answer["error"] == "division by zero"


async def test_an_automatic_response_does_not_wake_the_room(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """The exact text alone; anything else goes to the room."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/pinged/{room}") as socket:
        assert await said(socket, "x") == "1 1"
        assert await said(socket, "ping") == "pong"
        await hibernated(server, "pinged", room)
        assert await said(socket, "ping") == "pong"
        assert not server.hget(metadata_key(f"pinged/{room}"), OWNER)
        assert await said(socket, "ping ") == "2 1"
