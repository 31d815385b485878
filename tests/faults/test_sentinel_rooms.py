"""The primary of a running Parlour is killed: sockets stay open, and rooms pause and go on."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from ..support.running import RunningParlour, processes_of_session
from ..support.sentinels import WatchedServers
from .test_outage import Caller

ROOMS = Path(__file__).with_name("rooms.py")
GOES_ON_S = 15.0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[WatchedServers]:
    folder = tmp_path / "servers"
    folder.mkdir()
    with WatchedServers(folder) as servers:
        yield servers


@pytest.fixture
def parlour(tmp_path: Path, servers: WatchedServers) -> Iterator[RunningParlour]:
    """A Parlour that was given the Sentinels' URL."""
    shutil.copy(ROOMS, tmp_path / "ledger.py")
    running = RunningParlour(tmp_path / "ledger.py", tmp_path / "data", "--redis", servers.url)
    running.start()
    yield running
    assert running.stop() == 0
    assert processes_of_session(running.session) == []


@pytest.mark.timeout(120)
async def test_sockets_stay_open_while_the_primary_is_replaced(
    parlour: RunningParlour, servers: WatchedServers
) -> None:
    """What the replica had been fed is there, and what was sent meanwhile is handled once."""
    assert "a fail-over" in parlour.wait_for_line("1 replica")
    async with aiohttp.ClientSession() as http:
        callers = []
        for _ in range(2):
            url = f"{parlour.ws_url}/parties/stayer/{uuid.uuid4().hex}"
            callers.append(Caller(await http.ws_connect(url)))
            for _ in range(3):
                await callers[-1].ask()
        await asyncio.to_thread(servers.wait_until_fed)

        servers.primary.process.kill()
        killed_s = time.monotonic()
        for caller in callers:
            await caller.send()
        for caller in callers:
            assert (await caller.ask())["result"] == caller.sent == 5
        assert time.monotonic() - killed_s < GOES_ON_S

        # A room that had no process before finds one, and the primary of now.
        url = f"{parlour.ws_url}/parties/stayer/{uuid.uuid4().hex}"
        assert (await Caller(await http.ws_connect(url)).ask())["result"] == 1
