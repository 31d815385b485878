"""A room leaves its process and comes back; its clients notice nothing but a pause."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import uuid
from pathlib import Path

import aiohttp
import pytest
import redis
from parlour.storage.keys import OWNER, metadata_key

from tests.support.running import RunningParlour


@pytest.fixture
def room() -> str:
    """A room of this test's own."""
    return uuid.uuid4().hex


async def hibernated(server: redis.Redis, party: str, room: str) -> None:
    """Wait until no process has the room: its claim was given back."""
    async with asyncio.timeout(20):
        # The server tells nobody: it has to be asked.
        while server.hget(metadata_key(f"{party}/{room}"), OWNER):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def has_state(pid: int, state: str) -> None:
    """Wait until each thread of a process has a state, as /proc tells it, or the process is gone.

    A signal takes a moment: until then the process may still handle a message, store what it
    changed and be stopped before it answers. That answer is lost, by contract.
    """
    async with asyncio.timeout(20):
        while not all(found == state for found in thread_states(pid)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def thread_states(pid: int) -> list[str]:
    """The states of a process's threads; none when it is gone."""
    states = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            states.append(thread.read_text().rpartition(")")[2].split()[0])
    return states


async def test_a_hibernated_room_wakes_with_its_connections(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """The sockets stay open; the next message finds storage, connections and their states."""
    url = f"{parlour.ws_url}/parties/sleeper/{room}"
    async with (
        http.ws_connect(url + "?name=alice") as alice,
        http.ws_connect(url + "?name=bob") as bob,
    ):
        await alice.send_str("x")
        assert await alice.receive_str() == "1 1"
        assert await alice.receive_str() == "alice of 2"

        await hibernated(server, "sleeper", room)
        assert not alice.closed
        assert not bob.closed

        await bob.send_str("x")
        assert await bob.receive_str() == "2 1"  # counted on in storage, started anew in memory
        assert await bob.receive_str() == "bob of 2"


async def test_a_client_that_comes_back_before_it_was_missed_takes_its_own_place(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """The older socket is closed with 4409; its end, hibernations on, costs the newer nothing."""
    url = f"{parlour.ws_url}/parties/sleeper/{room}?name=ada&_pk=ada"
    async with http.ws_connect(url, autoclose=False) as older, http.ws_connect(url) as newer:
        closed = await older.receive()
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 4409)
        await newer.send_str("x")
        assert [await newer.receive_str() for _ in range(2)] == ["1 1", "ada of 1"]
        await hibernated(server, "sleeper", room)
        await newer.send_str("x")
        assert [await newer.receive_str() for _ in range(2)] == ["2 1", "ada of 1"]
        await older.close()
        await hibernated(server, "sleeper", room)
        await newer.send_str("x")
        assert [await newer.receive_str() for _ in range(2)] == ["3 1", "ada of 1"]


async def test_a_room_that_streams_stays_and_hibernates_when_nobody_listens(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """Server-sent events come as they happen, beside the room's messages, for as long as somebody
    reads them; another room hibernates meanwhile."""
    path = f"/parties/streamer/{room}"
    async with http.ws_connect(parlour.ws_url + path) as socket:
        async with http.get(
            parlour.url + path, headers={"Origin": "https://x.example"}
        ) as response:
            assert response.content_type == "text/event-stream"
            assert response.headers["access-control-allow-origin"] == "*"
            assert (await response.content.readuntil(b"\n\n")).startswith(b"data: ")
            async with http.ws_connect(f"{parlour.ws_url}/parties/sleeper/{room}?name=a") as other:
                await other.send_str("x")
                await other.receive_str()
            await hibernated(server, "sleeper", room)  # which is no more patient
            for word in ("one", "two"):
                await socket.send_str(word)
                event = await response.content.readuntil(b"\n\n")
                assert event == f"event: said\ndata: {word}\n\n".encode()
            response.close()
        await hibernated(server, "streamer", room)


async def test_a_room_can_hibernate_many_times(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """Nothing is lost or done twice in any round."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/sleeper/{room}?name=a") as socket:
        for count in range(1, 5):
            await socket.send_str("x")
            assert await socket.receive_str() == f"{count} 1"
            assert await socket.receive_str() == "a of 1"
            await hibernated(server, "sleeper", room)


async def test_who_leaves_while_the_room_sleeps_is_gone_when_it_wakes(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """A close wakes the room for on_close."""
    url = f"{parlour.ws_url}/parties/sleeper/{room}"
    async with http.ws_connect(url + "?name=stays") as stays:
        leaves = await http.ws_connect(url + "?name=leaves")
        await hibernated(server, "sleeper", room)
        await leaves.close()
        await stays.send_str("x")
        assert await stays.receive_str() == "1 1"
        assert await stays.receive_str() == "stays of 1"


async def test_a_killed_room_answers_again(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """kill -9 of its process: the sockets stay, what was acknowledged is there."""
    url = f"{parlour.ws_url}/parties/counter/{room}"
    async with http.ws_connect(url) as socket, http.ws_connect(url) as other:
        for count in range(1, 4):
            await socket.send_str("x")
            assert await socket.receive_str() == f"{count} {count}"
        async with http.get(f"{parlour.url}/parties/counter/{room}") as response:
            pid = (await response.json())["pid"]

        os.kill(pid, signal.SIGKILL)
        await has_state(pid, "Z")

        await socket.send_str("x")
        assert await socket.receive_str() == "4 1"
        await other.send_str("x")
        assert await other.receive_str() == "5 2"
    async with http.get(f"{parlour.url}/parties/counter/{room}") as response:
        assert (await response.json())["pid"] != pid


async def test_messages_sent_while_the_room_dies_are_handled_once_and_in_order(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Each message is a durable write: none is missing and none counted twice."""
    url = f"{parlour.ws_url}/parties/counter/{room}"
    messages = 2_000
    async with http.ws_connect(url) as socket:
        async with http.get(f"{parlour.url}/parties/counter/{room}") as response:
            pid = (await response.json())["pid"]
        for number in range(messages):
            await socket.send_str("x")
            if number == messages // 2:
                os.kill(pid, signal.SIGKILL)
        counts: list[int] = []
        while not counts or counts[-1] < messages:
            counts.append(int((await socket.receive_str()).split()[0]))
    assert counts == sorted(set(counts))  # some answers may have died with the process
    async with http.get(f"{parlour.url}/parties/counter/{room}") as response:
        assert (await response.json())["count"] == messages


async def test_a_stopped_room_actor_is_replaced(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """SIGSTOP past its lease: its room answers elsewhere, and it never speaks again."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/counter/{room}") as socket:
        await socket.send_str("x")
        assert await socket.receive_str() == "1 1"
        async with http.get(f"{parlour.url}/parties/counter/{room}") as response:
            pid = (await response.json())["pid"]

        os.kill(pid, signal.SIGSTOP)
        await has_state(pid, "T")

        await socket.send_str("x")
        assert await socket.receive_str() == "2 1"
