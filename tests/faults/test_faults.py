"""Everything fails, at random and under load; no acknowledged write is lost, none applied twice.

`make test` breaks things for a minute, `make soak MINUTES=30` for as long as it is told. Processes
run on, so that a seed (PARLOUR_SEED) repeats which failures there are, not their exact moments.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import aiohttp
import pytest
import redis.asyncio
from parlour.storage.embedded import EmbeddedServer
from parlour.storage.keys import EPOCH, metadata_key
from redis.exceptions import RedisError

from ..support.running import RunningParlour
from .clients import Client
from .injector import Injector
from .judge import problems, unanswered

MINUTES = float(os.environ.get("PARLOUR_SOAK_MINUTES", 0))
BREAKING_S = 60.0
HEAL_S = 90.0
ROOMS = 6
EPOCH_LOOK_S = 0.05

FAILURES = {
    "kill_room_actor": 8,
    "kill_all_room_actors": 1,
    "pause_room_actor": 4,
    "kill_server": 3,
    "pause_server": 2,
    "kill_manager": 2,
    "kill_gateway": 2,
    "kill_controller": 1,
    "pause_manager": 1,
    "pause_gateway": 1,
}

T = TypeVar("T")


@pytest.mark.timeout(MINUTES * 60 + 3 * (BREAKING_S + HEAL_S))
async def test_no_acknowledged_write_is_lost_or_applied_twice(
    own_parlour: RunningParlour, own_server: EmbeddedServer, seed: str
) -> None:
    """After healing every room answers, its histories are linearizable, its epochs only grew."""
    until_s = time.monotonic() + MINUTES * 60
    rounds = 0
    while rounds == 0 or time.monotonic() < until_s:
        await break_and_judge(own_parlour, own_server, f"{seed}/{rounds}")
        rounds += 1


async def break_and_judge(parlour: RunningParlour, server: EmbeddedServer, seed: str) -> None:
    """One round: load and failures for `BREAKING_S`, then healing, then the verdict."""
    injector = Injector(parlour, server, f"{seed}/failures", FAILURES, print)
    rooms = [f"{seed.replace('/', '-')}-{number}" for number in range(ROOMS)]
    stop = asyncio.Event()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        clients = {
            room: [
                Client(
                    f"{name}{number}",
                    f"{parlour.ws_url}/parties/ledger/{room}",
                    http,
                    f"{seed}/{room}/{name}{number}",
                    retry=name == "again",
                )
                for number in range(2)
                for name in ("again", "once")
            ]
            for room in rooms
        }
        everyone = [client for of_room in clients.values() for client in of_room]
        epochs = EpochWatch(server.url, [f"ledger/{room}" for room in rooms])
        watching = asyncio.create_task(epochs.run())
        running = [asyncio.create_task(client.run(stop)) for client in everyone]
        try:
            await injector.run(BREAKING_S)
            healing_s = time.monotonic()
            stop.set()
            _, late = await asyncio.wait(running, timeout=HEAL_S)
            assert not late, (
                f"not healed after {HEAL_S} s: {[c for c in everyone if unanswered([c])]}"
            )
            for task in running:
                task.result()
            print(f"healed in {time.monotonic() - healing_s:.1f} s")
            final = {room: await state_of(http, parlour, room) for room in rooms}
            await until_it_works(epochs.look_again, RedisError)
        finally:
            for task in (watching, *running):
                task.cancel()
            await asyncio.gather(watching, *running, return_exceptions=True)
            print("\n".join(summary(injector, everyone)))
    wrong = [f"{room}: {found}" for room in rooms for found in problems(clients[room], final[room])]
    assert not wrong + epochs.problems, "\n".join(wrong + epochs.problems)
    for room in rooms:
        assert final[room]["starts"] <= epochs.latest[f"ledger/{room}"]


def summary(injector: Injector, clients: Sequence[Client]) -> list[str]:
    """What a round was made of."""
    calls = [call for client in clients for call in client.calls]
    waits_s = sorted(c.answered_s - c.called_s for c in calls if c.answered_s is not None)
    return [
        f"failures: {injector.counts}",
        f"{len(calls)} requests over {sum(c.connections for c in clients)} connections, "
        f"{len(calls) - len(waits_s)} without an answer",
        f"answered after {waits_s[len(waits_s) // 2]:.4f} s in the median, "
        f"{waits_s[-1]:.1f} s at most",
    ]


async def state_of(http: aiohttp.ClientSession, parlour: RunningParlour, room: str) -> Any:
    """What is in a room now."""
    url = f"{parlour.url}/parties/ledger/{room}"

    async def ask() -> Any:
        async with http.get(url) as response:
            response.raise_for_status()
            return await response.json()

    return await until_it_works(ask, aiohttp.ClientError)


async def until_it_works(ask: Callable[[], Awaitable[T]], trouble: type[Exception]) -> T:
    """Ask again and again, for `HEAL_S`."""
    async with asyncio.timeout(HEAL_S):
        while True:
            try:
                return await ask()
            except trouble:
                await asyncio.sleep(0.1)


class EpochWatch:
    """Looks at the epochs of rooms again and again: they may only grow."""

    def __init__(self, url: str, spaces: Sequence[str]) -> None:
        self.latest = dict.fromkeys(spaces, 0)
        self.problems: list[str] = []
        self._url = url

    async def look_again(self) -> None:
        """Look once more."""
        async with redis.asyncio.Redis.from_url(self._url, decode_responses=True) as client:
            await self._look(client)

    async def run(self) -> None:
        async with redis.asyncio.Redis.from_url(
            self._url, socket_timeout=1.0, decode_responses=True
        ) as client:
            while True:
                with contextlib.suppress(RedisError, OSError):  # down or stopped: as is wanted
                    await self._look(client)
                await asyncio.sleep(EPOCH_LOOK_S)

    async def _look(self, client: redis.asyncio.Redis) -> None:
        for space, latest in self.latest.items():
            epoch = int(await client.hget(metadata_key(space), EPOCH) or 0)
            if epoch < latest:
                self.problems.append(f"the epoch of {space} fell from {latest} to {epoch}")
            self.latest[space] = max(latest, epoch)
