"""A thousand alarms over hibernated rooms, and a restart of everything while some are due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from parlour.storage.embedded import EmbeddedServer

from tests.support.running import RunningParlour, processes_of_session

SOON, DOWN, LATER = 400, 300, 300  # rooms with an alarm due before, during and after the restart
SOON_S, DOWN_S, LATER_S = 3.0, 8.0, 25.0
AT_ONCE = 32  # requests

ROOMS = """
import os
import time

from parlour import AlarmInfo, Request, Room

class Timed(Room):
    rooms_per_actor = 100
    hibernate_after = 0.3
    is_new = True  # no event has been handled since on_start

    def on_request(self, request: Request) -> str:
        self.is_new = False
        after_s = float(request.text())
        self.storage.set_alarm(time.time() + after_s)
        if after_s > 10:
            self.schedule("named", at=time.time() + after_s)
        return "set"

    def on_alarm(self, info: AlarmInfo) -> None:
        words = [self.id, info.name or "-", info.scheduled_at.timestamp(), time.time(), self.is_new]
        self.is_new = False
        file = os.open(LOG, os.O_WRONLY | os.O_APPEND)
        os.write(file, (" ".join(map(str, words)) + "\\n").encode())
        os.close(file)
"""


class Firing(NamedTuple):
    """A run of on_alarm, as the room wrote it down."""

    room: str
    name: str
    scheduled_s: float
    at_s: float
    was_hibernated: bool


class Log:
    """The file in which all rooms write down what fired, whatever process they are in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def read(self) -> list[Firing]:
        words = [line.split() for line in self.path.read_text().splitlines()]
        return [Firing(w[0], w[1], float(w[2]), float(w[3]), w[4] == "True") for w in words]

    async def wait(self, count: int, timeout_s: float) -> list[Firing]:
        """Wait until that many have fired."""
        async with asyncio.timeout(timeout_s):
            while len(firings := self.read()) < count:  # noqa: ASYNC110  # a file tells nobody
                await asyncio.sleep(0.1)
        return firings


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "fired")


@pytest.fixture
def app(tmp_path: Path, log: Log) -> Path:
    file = tmp_path / "app.py"
    file.write_text(f"LOG = {str(log.path)!r}\n" + ROOMS)
    return file


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A private Valkey that the test stops and starts."""
    with EmbeddedServer(tmp_path / "storage") as server:
        yield server


async def set_alarms(parlour: RunningParlour, rooms: range, after_s: float) -> None:
    """Set an alarm in each of the rooms."""
    waiting = asyncio.Semaphore(AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as http:

        async def set_one(room: int) -> None:
            url = f"{parlour.url}/parties/timed/{room}"
            async with waiting, http.post(url, data=str(after_s)) as response:
                assert await response.text() == "set"

        await asyncio.gather(*(set_one(room) for room in rooms))


@pytest.mark.timeout(180)
@pytest.mark.parity("wakes room")
async def test_no_alarm_is_early_and_none_is_missing_after_a_restart_of_everything(
    app: Path, server: EmbeddedServer, log: Log, tmp_path: Path
) -> None:
    """Each fires exactly once, as nothing crashed: on time, or late by the time all was down."""
    soon, down = range(SOON), range(SOON, SOON + DOWN)
    later = range(SOON + DOWN, SOON + DOWN + LATER)
    before = RunningParlour(app, tmp_path / "data", "--redis", server.url)
    before.start()
    await set_alarms(before, soon, SOON_S)
    firings = await log.wait(SOON, timeout_s=60)
    lateness = sorted(firing.at_s - firing.scheduled_s for firing in firings)
    print(f"late by {lateness[SOON // 2]:.3f} s at the median, {lateness[-1]:.3f} s at most")
    assert all(firing.was_hibernated for firing in firings)

    await set_alarms(before, later, LATER_S)
    await set_alarms(before, down, DOWN_S)
    all_due_s = time.time() + DOWN_S
    assert before.stop() == 0
    server.stop()
    unfired = SOON + DOWN - len(log.read())
    assert unfired > DOWN / 2, "the machine is too slow for the times of this test"
    await asyncio.sleep(all_due_s - time.time())  # all is down when they are due
    started_s = time.time()

    server.start()
    after = RunningParlour(app, tmp_path / "data", "--redis", server.url)
    after.start()
    everything = SOON + DOWN + 2 * LATER
    firings = await log.wait(everything, timeout_s=90)
    assert after.stop() == 0
    assert processes_of_session(before.session) == processes_of_session(after.session) == []

    firings = log.read()
    assert [f for f in firings if f.at_s < f.scheduled_s] == []
    named = {(str(room), name) for room in later for name in ("-", "named")}
    assert sorted((f.room, f.name) for f in firings) == sorted(
        named | {(str(room), "-") for room in [*soon, *down]}
    )
    late_s = [f.at_s - started_s for f in firings if f.scheduled_s < started_s < f.at_s]
    assert len(late_s) == unfired
    print(f"{unfired} fired late, the last {max(late_s):.1f} s after the start began")
