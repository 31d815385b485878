"""Rooms in a test, in the test's own process: no Ray, no Redis, and no waiting for time.

    pytest_plugins = ["parlour.testing"]          # in conftest.py; the fixture is `rooms`

    async def test_what_is_said_is_kept(rooms):
        lobby = rooms.room(Chat, "lobby")
        alice = await lobby.connect("alice")
        await alice.send("hello")
        await lobby.crash()
        assert await lobby.stored() == {"history": ["hello"]}

See docs/testing.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from .answer import Answer, Refused
from .client import Client, Close
from .clock import NotAsyncio
from .room import RoomUnderTest
from .rooms import Rooms

__all__ = ["Answer", "Client", "Close", "NotAsyncio", "Refused", "RoomUnderTest", "Rooms", "rooms"]


@pytest_asyncio.fixture
async def rooms() -> AsyncIterator[Rooms]:
    """Rooms of this test's own; whatever is left of them ends with the test."""
    async with Rooms() as running:
        yield running
