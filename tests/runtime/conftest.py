"""What the tests of sockets share: a port, in the loop that the gateway runs in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from .doors import Door
from .raw_client import RawClient, raw_client


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop, in which the gateway runs: its transports differ from asyncio's."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """A port like the gateway's."""
    door = Door()
    await door.start()
    yield door
    await door.stop()


@pytest.fixture
async def client(door: Door) -> AsyncIterator[RawClient]:
    """A connection to it that has said nothing yet."""
    async with raw_client(door.port) as client:
        yield client


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A folder of static files."""
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "file").write_text("the file")
    (folder / "index.html").write_text("<p>the page")
    return folder
