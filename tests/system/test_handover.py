"""Messages that arrive while their room goes to sleep: at every moment of that, 2,000 times."""

from __future__ import annotations

import asyncio
import os
import random

import aiohttp
import pytest

from tests.support.running import RunningParlour

# Party -> attempts, and rooms that they are made in at a time. A process for each room is slow to
# start, so that the full number of those is for `make soak`.
ATTEMPTS = {"roster": 2_000 if os.environ.get("PARLOUR_SOAK_MINUTES") else 600}
ATTEMPTS |= {"crowdedroster": 2_000}
ROOMS = {"roster": 16, "crowdedroster": 100}
# A room sleeps 0.25 s after its last message at the earliest, and some reports and looks of the
# manager later: the next message is sent at any moment of that, and a little before and after.
OFFSET_S = (0.2, 0.75)
BURST_MAX = 3


@pytest.mark.timeout(240)
@pytest.mark.parametrize("party", ROOMS)
async def test_a_message_around_a_hibernation_is_handled_once_and_in_order(
    parlour: RunningParlour, http: aiohttp.ClientSession, party: str, seed: str
) -> None:
    """Thousands of times, with a process for each room and with many rooms in one."""
    attempts, rooms = ATTEMPTS[party], ROOMS[party]
    visits = []
    for number in range(rooms):
        url = f"{parlour.ws_url}/parties/{party}/{seed}-{number}"
        visits.append(visit(http, url, f"{seed}/{party}/{number}", attempts // rooms))
    woken = await asyncio.gather(*visits)
    # Otherwise the messages came too early or too late to meet a room on its way out.
    assert 0.2 * attempts < sum(woken) < 0.95 * attempts, f"{sum(woken)} were woken"


async def visit(http: aiohttp.ClientSession, url: str, seed: str, attempts: int) -> int:
    """Send to one room again and again when it may be going; returns how often that woke it."""
    dice = random.Random(seed)
    sent = woken = starts = 0
    async with http.ws_connect(url, timeout=aiohttp.ClientWSTimeout(ws_receive=60)) as socket:
        for _ in range(attempts):
            burst = dice.randint(1, BURST_MAX)
            for _ in range(burst):
                sent += 1
                await socket.send_str(f"{sent}")
                if dice.random() < 0.5:
                    await asyncio.sleep(dice.random() * 0.02)
            for number in range(sent - burst + 1, sent + 1):
                said, heard, started = (await socket.receive_str()).split()
                assert (said, heard) == (f"{number}", f"{number}")
                woken += int(started) != starts
                starts = int(started)
            await asyncio.sleep(dice.uniform(*OFFSET_S))
    return woken


def test_the_offsets_cover_the_moments_of_a_hibernation() -> None:
    """The earliest is before a room may sleep, the latest after any report and look took place."""
    from parlour.actors.room_actor import REPORT_INTERVAL_S
    from parlour.runtime.manager import TICK_S

    from .rooms import Roster

    earliest_s, latest_s = OFFSET_S
    assert earliest_s < Roster.hibernate_after
    assert latest_s > Roster.hibernate_after + REPORT_INTERVAL_S + TICK_S
