"""Rooms that call rooms, and programs that call them, on a running Parlour."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator

import pytest
from parlour.runtime.outside import Rooms

import parlour as public
from parlour import CallTimeout, DeadlockError, RoomUnavailable
from parlour.client import RoomSocket, fetch
from tests.support.running import RunningParlour

from .test_metrics import token as token
from .test_operating_live_rooms import command


@pytest.fixture
async def rooms(parlour: RunningParlour, token: str) -> AsyncIterator[Rooms]:
    """The rooms as a plain program sees them that has the token."""
    async with public.connect(parlour.url, token=token) as rooms:
        yield rooms


@pytest.fixture
def name() -> str:
    """Of a room of this test's own."""
    return uuid.uuid4().hex


async def test_a_call_reaches_a_room_that_sleeps_and_its_clients(
    parlour: RunningParlour, rooms: Rooms, name: str
) -> None:
    """In a process of its own. What the room says when it is called reaches its sockets."""
    caller, called = rooms.parties.caller.get(name), rooms.parties.called.get(name)
    async with RoomSocket(parlour.url, name, party="called") as socket:
        socket.send("hello")
        assert await socket.receive() == "1 1"
        done = await command(parlour, "room", "hibernate", f"called/{name}")
        assert done.returncode == 0, done.stderr
        assert await caller.tell(name, "say", "from another room") == 1
        assert await socket.receive() == "from another room"
        pids = {await caller.pid(), await called.pid(), os.getpid()}
        assert len(pids) == 3
        assert socket.connects == 1
    response = await fetch(parlour.url, name, party="called")
    assert b'"count":1' in response.body
    response = await caller.fetch("/")
    assert response.status == 404


async def test_chains_are_refused_across_processes_and_tasks(rooms: Rooms, name: str) -> None:
    """A Ray task that a room waits for is a part of its chain."""
    a, b = f"{name}-a", f"{name}-b"
    caller = rooms.parties.caller.get(a, timeout=60)
    assert await caller.chain(b) == [a, b]
    with pytest.raises(DeadlockError, match=f"caller/{a} -> caller/{b} -> caller/{a}"):
        await caller.chain(b, a)
    assert await caller.from_task("caller", b, "chain") == [b]
    with pytest.raises(DeadlockError, match=f"caller/{a} -> caller/{a}"):
        await caller.from_task("caller", a, "chain")


async def test_a_call_outlives_the_process_that_handles_it(rooms: Rooms, name: str) -> None:
    """Once: a call that kills its room twice is given up, and the room goes on."""
    caller = rooms.parties.caller.get(name, timeout=60)
    with pytest.raises(RoomUnavailable, match="died handling this"):
        await caller.tell(name, "die")
    assert await caller.tell(name, "say", "still here") == 0
    with pytest.raises(CallTimeout):
        await rooms.parties.called.get(name, timeout=0.001).pid()
