"""`kill -9` of the server under load: every group of writes is there whole or not at all."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.storage import (
    EmbeddedServer,
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageLimits,
)

from ..support.killing import kill_9
from ..support.layout import check_layout

# PARLOUR_SOAK is set for the long run: the number of kills that the promise was tried with.
KILLS = 200 if os.environ.get("PARLOUR_SOAK") else 12
LIMITS = StorageLimits(shard_fields_max=16)
KEYS_OF_A_GROUP = 10
LOG_LENGTH = 40


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[tuple[EmbeddedServer, RedisBackend]]:
    """A server of this test's own, and a connection to it that comes back by itself."""
    with EmbeddedServer(tmp_path) as server:
        backend = RedisBackend(RedisConnection(server.url), limits=LIMITS)
        yield server, backend
        await backend.close()


class Writer:
    """One space, written in groups: group n sets every key to n, and moves a log on by one.

    Attributes:
        acknowledged: The newest group known to be durable.
        begun: The newest group that was written.
    """

    def __init__(self, backend: RedisBackend, space: str, chance: random.Random) -> None:
        self.acknowledged = 0
        self.begun = 0
        self._backend = backend
        self._space = space
        self._chance = chance
        self.storage: OwnedStorage | None = None

    async def wake(self) -> None:
        """Claim the space as a new owner would, and check what is there."""
        claim = await self._backend.claim(self._space, owner="owner", address="")
        await check_layout(self._backend, claim, LIMITS)
        self.storage = OwnedStorage(self._backend, claim, limits=LIMITS)
        found = await self._check()
        assert self.acknowledged <= found <= self.begun
        self.acknowledged = self.begun = found

    async def _check(self) -> int:
        """Tell which group is there; fail unless all of it is."""
        assert self.storage is not None
        found = await self.storage.list()
        groups = {value for key, value in found.items() if key.startswith("key")}
        log = [value for key, value in found.items() if key.startswith("log")]
        assert len(groups) <= 1, f"groups {groups} are mixed"
        group = groups.pop() if groups else 0
        assert log == list(range(max(1, group - LOG_LENGTH + 1), group + 1))
        if group:
            assert len(found) == KEYS_OF_A_GROUP + len(log)
        return group

    async def write(self, stop: asyncio.Event, wrote: asyncio.Event) -> None:
        """Write group after group until `stop`, waiting for durability now and then."""
        assert self.storage is not None
        while not stop.is_set():
            self._write_group()
            if self._chance.random() < 0.7:
                group = self.begun
                await self.storage.sync()
                self.acknowledged = group
                wrote.set()
            else:
                await asyncio.sleep(0)

    def _write_group(self) -> None:
        assert self.storage is not None
        self.begun += 1
        numbers = list(range(KEYS_OF_A_GROUP))
        self._chance.shuffle(numbers)
        for number in numbers:
            self.storage.put(f"key{number:02}", self.begun)
        self.storage.put(f"log{self.begun:09}", self.begun)
        self.storage.delete(f"log{self.begun - LOG_LENGTH:09}")

    async def settle(self) -> None:
        """Nothing was lost of what was written, though the server was killed in between."""
        assert self.storage is not None
        await self.storage.sync()
        assert await self._check() == self.begun
        self.acknowledged = self.begun


@pytest.mark.timeout(600)
async def test_kill_9_of_the_server_under_load(
    backend: tuple[EmbeddedServer, RedisBackend],
) -> None:
    """Acknowledged groups survive, others are whole; owners go on, or new ones take over."""
    server, redis = backend
    chance = random.Random(os.environ.get("PARLOUR_SEED", "1"))
    writers = [Writer(redis, f"chat/{number}", chance) for number in range(6)]
    for kill in range(KILLS):
        for writer in writers:
            await writer.wake()
        stop, wrote = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(writer.write(stop, wrote)) for writer in writers]
        for _ in range(chance.randrange(1, 40)):
            await wrote.wait()
            wrote.clear()
        await asyncio.sleep(0)
        kill_9(server)
        restart = asyncio.create_task(asyncio.to_thread(server.start))
        if kill % 2:  # the owners end with the server: what they had pending is lost, but whole
            for task, writer in zip(tasks, writers, strict=True):
                assert writer.storage is not None
                task.cancel()
                writer.storage.abandon()
            await asyncio.wait(tasks)
            await restart
        else:  # the owners live on: their flush is sent again, and is not applied twice
            await restart
            stop.set()
            await asyncio.gather(*tasks)
            for writer in writers:
                await writer.settle()
