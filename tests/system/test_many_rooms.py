"""Far more rooms than processes for them: every message is answered, once and in order.

`make test` has it small and short; `make soak` with 1,000 rooms and 20 processes for 5 minutes.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.support.processes import GATEWAY, MANAGER, ROOM_ACTOR, descendants, open_sockets
from tests.support.running import RunningParlour, processes_of_session

ROOMS_FILE = Path(__file__).with_name("rooms.py")
SOAK = bool(os.environ.get("PARLOUR_SOAK_MINUTES"))
ROOMS, LIVE_ROOMS_MAX, DURATION_S = (1_000, 20, 300.0) if SOAK else (150, 6, 25.0)
STANDBYS = 2
TALKERS = 2 * LIVE_ROOMS_MAX  # rooms that are spoken to at a time
BURST_MAX = 4
ANSWER_S = 60.0  # above what a gateway waits for a room
SETTLED_S = 30.0
SPARE_SOCKETS = 4 * STANDBYS  # to a standby go a link and what Ray opens for itself


@pytest.fixture
def small_parlour(tmp_path: Path) -> Iterator[RunningParlour]:
    """A Parlour with few processes for rooms."""
    shutil.copy(ROOMS_FILE, tmp_path / "rooms.py")
    (tmp_path / "app.py").write_text("from rooms import Roster\n")
    running = RunningParlour(
        tmp_path / "app.py",
        tmp_path / "data",
        *("--max-live-rooms", f"{LIVE_ROOMS_MAX}"),
        *("--standbys", f"{STANDBYS}"),
    )
    running.start()
    yield running
    assert running.stop() == 0
    assert processes_of_session(running.session) == []


@dataclass
class Visitor:
    """The one client of a room, and what it has sent so far."""

    socket: aiohttp.ClientWebSocketResponse
    sent: int = 0
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def talk(self, dice: random.Random) -> None:
        """Send a few messages at once: each is to be answered, once and in order."""
        async with self.busy, asyncio.timeout(ANSWER_S):
            burst = dice.randint(1, BURST_MAX)
            for _ in range(burst):
                self.sent += 1
                await self.socket.send_str(f"{self.sent}")
            for number in range(self.sent - burst + 1, self.sent + 1):
                said, heard, _ = (await self.socket.receive_str()).split()
                assert (said, heard) == (f"{number}", f"{number}")


@dataclass(frozen=True)
class Standing:
    """What must not grow."""

    room_actors: int
    gateway_sockets: int
    manager_sockets: int


def standing(parlour: RunningParlour) -> Standing:
    (gateway,) = descendants(parlour.session, GATEWAY)
    (manager,) = descendants(parlour.session, MANAGER)
    return Standing(
        len(descendants(parlour.session, ROOM_ACTOR)),
        open_sockets(gateway.pid),
        open_sockets(manager.pid),
    )


@pytest.mark.timeout(DURATION_S + ROOMS + 3 * ANSWER_S + SETTLED_S)
async def test_many_rooms_share_few_processes(small_parlour: RunningParlour, seed: str) -> None:
    """Random traffic to all of them; no process and no socket is left over."""
    before = standing(small_parlour)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        visitors = await arrive(http, small_parlour, seed)
        until_s = time.monotonic() + DURATION_S
        async with asyncio.TaskGroup() as talkers:
            for number in range(TALKERS):
                dice = random.Random(f"{seed}/{number}")
                talkers.create_task(keep_talking(visitors, dice, until_s))
        assert standing(small_parlour).room_actors <= LIVE_ROOMS_MAX + STANDBYS
        async with asyncio.TaskGroup() as leaving:
            for visitor in visitors:
                leaving.create_task(visitor.socket.close())
    print(f"{sum(v.sent for v in visitors)} messages to {ROOMS} rooms in {DURATION_S:.0f} s")
    await settled(small_parlour, before)


async def arrive(http: aiohttp.ClientSession, parlour: RunningParlour, seed: str) -> list[Visitor]:
    """A client in each room; some rooms at a time, each has to be woken for it."""
    entrance = asyncio.Semaphore(TALKERS)

    async def enter(number: int) -> Visitor:
        async with entrance, asyncio.timeout(ANSWER_S):
            url = f"{parlour.ws_url}/parties/roster/{seed}-{number}"
            return Visitor(await http.ws_connect(url))

    return list(await asyncio.gather(*(enter(number) for number in range(ROOMS))))


async def keep_talking(visitors: list[Visitor], dice: random.Random, until_s: float) -> None:
    while time.monotonic() < until_s:
        await dice.choice(visitors).talk(dice)


async def settled(parlour: RunningParlour, before: Standing) -> None:
    """Wait until there is not more of anything than before."""
    try:
        async with asyncio.timeout(SETTLED_S):
            # Processes end without telling anybody here: they have to be looked at.
            while not as_small_as(standing(parlour), before):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{standing(parlour)} are left, it began with {before}") from None


def as_small_as(now: Standing, before: Standing) -> bool:
    """But for the sockets of a few other standbys: one left over by each room would be far more."""
    return (
        now.room_actors <= max(before.room_actors, STANDBYS)
        and now.gateway_sockets <= before.gateway_sockets + SPARE_SOCKETS
        and now.manager_sockets <= before.manager_sockets + SPARE_SOCKETS
    )
