"""Alarms on the real parts: they wake rooms, are tried again, and survive whatever happens."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any

import aiohttp
import pytest
import redis
from parlour.actors.schedules import RETRY_S_MIN
from parlour.storage.keys import ALARM, OWNER, alarm_index_keys, alarm_index_of, metadata_key

from tests.support.running import RunningParlour


@pytest.fixture
def room() -> str:
    """A room of this test's own."""
    return uuid.uuid4().hex


async def say(socket: aiohttp.ClientWebSocketResponse, *words: object) -> None:
    await socket.send_str(json.dumps(words))


async def ask(socket: aiohttp.ClientWebSocketResponse, *words: object) -> Any:
    await say(socket, *words)
    return json.loads(await socket.receive_str())


async def hibernated(server: redis.Redis, room: str) -> None:
    """Wait until no process has the room."""
    async with asyncio.timeout(20):
        while server.hget(metadata_key(f"alarmed/{room}"), OWNER):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_an_alarm_wakes_a_hibernated_room(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """on_alarm runs after its time, with the room's id, no alarm set, and nothing left over."""
    space = f"alarmed/{room}"
    async with http.ws_connect(f"{parlour.ws_url}/parties/alarmed/{room}") as socket:
        before_s = time.time()
        await say(socket, "set alarm", 1.5)
        await hibernated(server, room)
        entry_ms = server.zscore(alarm_index_keys(alarm_index_of(space))[0], space)
        assert entry_ms is not None
        assert entry_ms >= (before_s + 1.5) * 1000 - 1

        assert json.loads(await socket.receive_str()) == [room, "", 0, False]
        assert 1.5 <= time.time() - before_s < 5
        assert await ask(socket, "store", "a", 1) == "stored"
    assert server.zscore(alarm_index_keys(alarm_index_of(space))[0], space) is None
    assert not server.hexists(metadata_key(space), ALARM + b"running:")


async def test_an_alarm_of_a_live_room_is_on_time(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """A room that is awake does not wait for the gateway."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/alarmed/{room}") as socket:
        assert await ask(socket, "store", "a", 1) == "stored"
        before_s = time.time()
        await say(socket, "set alarm", 0.1)
        assert json.loads(await socket.receive_str()) == [room, "", 0, False]
        assert 0.1 <= time.time() - before_s < 1


async def test_named_schedules_fire_once_each_under_their_names(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Those that were unscheduled do not."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/alarmed/{room}") as socket:
        for number in range(5):
            await say(socket, "schedule", f"number {number}", 1.0 + number / 10)
        assert await ask(socket, "unschedule", "number 2") is True
        assert await ask(socket, "unschedule", "number 2") is False
        assert await ask(socket, "schedules") == {f"number {n}": None for n in (0, 1, 3, 4)}
        fired = [json.loads(await socket.receive_str())[1] for _ in range(4)]
        assert fired == [f"number {n}" for n in (0, 1, 3, 4)]
        assert await ask(socket, "schedules") == {}


async def test_a_cron_schedule_fires_tick_after_tick(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Every second here, over hibernation and waking, until it is unscheduled."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/alarmed/{room}") as socket:
        await say(socket, "cron", "tick", "*/2 * * * * *")
        for _ in range(3):
            assert json.loads(await socket.receive_str()) == [room, "tick", 0, False]
        assert await ask(socket, "schedules") == {"tick": "*/2 * * * * *"}
        assert await ask(socket, "unschedule", "tick") is True
        assert await ask(socket, "schedules") == {}


async def test_an_alarm_that_raises_is_tried_again_later_and_later(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Twice here, after two and then four seconds, also from hibernation."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/alarmed/{room}") as socket:
        assert await ask(socket, "store", "failures left", 2) == "stored"
        await say(socket, "set alarm", 0.1)
        times = []
        for retries in range(3):
            assert json.loads(await socket.receive_str()) == [room, "", retries, False]
            times.append(time.time())
        assert times[1] - times[0] >= RETRY_S_MIN * 0.95  # the broadcast left before the raise
        assert times[2] - times[1] >= RETRY_S_MIN * 2 * 0.95


@pytest.mark.parametrize("set_anew", [False, True])
async def test_an_alarm_whose_process_dies_runs_again(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str, set_anew: bool
) -> None:
    """Not counted as a retry; and if its handler had set the alarm anew, that one fires too."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/alarmed/{room}") as socket:
        await say(socket, "set alarm", 0.5)
        assert await ask(socket, "store", "set anew", set_anew) == "stored"
        assert await ask(socket, "store", "die", True) == "stored"
        expected = 3 if set_anew else 2
        fired = [json.loads(await socket.receive_str())[:3] for _ in range(expected)]
        assert fired == [[room, "", 0]] * expected
        assert await ask(socket, "store", "a", 1) == "stored"


async def test_alarms_of_a_class_without_a_hook_are_dropped(
    parlour: RunningParlour, http: aiohttp.ClientSession, server: redis.Redis, room: str
) -> None:
    """They leave nothing in the index, and the room goes on."""
    part = alarm_index_keys(alarm_index_of(f"unalarmed/{room}"))[0]
    async with http.ws_connect(f"{parlour.ws_url}/parties/unalarmed/{room}") as socket:
        await socket.send_str("0.5")
        assert await socket.receive_str() == "set"
        assert server.zscore(part, f"unalarmed/{room}") is not None
        async with asyncio.timeout(20):
            while server.zscore(part, f"unalarmed/{room}") is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await socket.send_str("3600")
        assert await socket.receive_str() == "set"
