"""`parlour room hibernate|move|reset` beside a running Parlour: its sockets stay open."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid

import aiohttp
import redis

from tests.support.running import RunningParlour

from .test_hibernate_and_wake import hibernated


async def command(parlour: RunningParlour, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `parlour` with these arguments to its end, on the cluster of the running one."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "parlour", *arguments, "--address", parlour.ray_address],
        env=parlour.ray_environment,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


async def test_a_room_hibernates_when_it_is_told_to(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis
) -> None:
    """It has stored everything, and its open socket wakes it; when it is not live, that is said."""
    room = uuid.uuid4().hex
    async with http.ws_connect(f"{parlour.ws_url}/parties/counter/{room}") as socket:
        await socket.send_str("x")
        assert await socket.receive_str() == "1 1"

        done = await command(parlour, "room", "hibernate", f"counter/{room}")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"counter/{room} hibernates; its next event wakes it\n"
        await hibernated(server, "counter", room)

        refused = await command(parlour, "room", "hibernate", f"counter/{room}")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == f"Error: counter/{room} is not live\n"

        await socket.send_str("x")
        assert await socket.receive_str() == "2 1"


async def test_a_room_with_something_in_hand_does_not_hibernate(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """The command says so after some seconds, and the room goes on as before."""
    room = uuid.uuid4().hex
    url = f"{parlour.ws_url}/parties/interleaved/{room}"
    async with http.ws_connect(url) as socket:
        await socket.send_str("wait")
        refused = await command(parlour, "room", "hibernate", f"interleaved/{room}")
        assert refused.returncode == 1
        assert "has something in hand" in refused.stderr
        await socket.send_str("open")
        assert await socket.receive_str() == "waited"


async def test_a_reset_room_starts_over_from_what_is_stored(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """What it had in memory alone is gone; what it had acknowledged is there."""
    room = uuid.uuid4().hex
    async with http.ws_connect(f"{parlour.ws_url}/parties/counter/{room}") as socket:
        for count in (1, 2):
            await socket.send_str("x")
            assert await socket.receive_str() == f"{count} {count}"

        done = await command(parlour, "room", "reset", f"counter/{room}", "--yes")
        assert (done.returncode, done.stderr) == (0, "")

        await socket.send_str("x")
        assert await socket.receive_str() == "3 1"


async def test_a_room_cannot_move_where_there_is_one_node(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """It stays; a node that does not exist is named with those that do."""
    room = uuid.uuid4().hex
    async with http.ws_connect(f"{parlour.ws_url}/parties/counter/{room}") as socket:
        await socket.send_str("x")
        assert await socket.receive_str() == "1 1"
        refused = await command(parlour, "room", "move", f"counter/{room}")
        assert refused.returncode == 1
        assert "no other node has a place" in refused.stderr
        refused = await command(parlour, "room", "move", f"counter/{room}", "--to", "nowhere")
        assert refused.returncode == 1
        assert "no node is called 'nowhere'; the nodes are" in refused.stderr
        await socket.send_str("x")
        assert await socket.receive_str() == "2 2"
