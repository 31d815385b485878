"""A room with very many keys costs what it touches, not what it has."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator

import pytest
import redis
from parlour.storage import OwnedStorage, RedisBackend, RedisConnection, StorageLimits

SPACE = "chat/lobby"
SOAK = bool(os.environ.get("PARLOUR_SOAK"))
COUNT = 1_000_000 if SOAK else 40_000
LIMITS = StorageLimits(cache_bytes_max=256 * 1024)


@pytest.fixture
async def backend(valkey_url: str) -> AsyncIterator[RedisBackend]:
    backend = RedisBackend(RedisConnection(valkey_url), limits=LIMITS)
    yield backend
    await backend.close()


class Commands:
    """What the server was asked to do since the last look."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def counted(self) -> dict[str, int]:
        stats: dict[str, dict[str, int]] = self._client.info("commandstats")
        self._client.config_resetstat()
        calls = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
        return {name: count for name, count in calls.items() if name in ("hmget", "hgetall")}


@pytest.mark.timeout(300)
async def test_a_room_with_very_many_keys(backend: RedisBackend, valkey_url: str) -> None:
    """A get is one round trip, a list with a limit reads two shards, memory stays bounded."""
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    names = [f"key:{number * 7919 % COUNT:07}" for number in range(COUNT)]
    for start in range(0, COUNT, 1_000):
        for number, name in enumerate(names[start : start + 1_000], start):
            storage.put(name, number)
        await storage.sync()
    await storage.close()
    commands = Commands(valkey_url)

    began_s = time.perf_counter()
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    took_s = time.perf_counter() - began_s
    assert (await storage.size()).keys == COUNT
    assert not SOAK or took_s < 0.05

    commands.counted()
    assert await storage.get(names[COUNT // 3]) == COUNT // 3
    assert commands.counted() == {"hmget": 1}
    assert await storage.get(names[COUNT // 3]) == COUNT // 3
    assert commands.counted() == {}
    for prefix in ("key:00", "key:001", "key:0039"):
        found = await storage.list(prefix=prefix, limit=100)
        assert list(found) == sorted(name for name in names if name.startswith(prefix))[:100]
        assert commands.counted().get("hgetall", 0) <= 2
    latest = await storage.list(reverse=True, limit=100)
    assert list(latest) == sorted(names)[:-101:-1]
    assert commands.counted().get("hgetall", 0) <= 2

    async for _ in storage.scan(page=1_000):
        pass
    for name in names[: COUNT // 10]:
        storage.put(name, "rewritten")
    await storage.sync()
    assert storage._space.cache.clean_bytes <= LIMITS.cache_bytes_max
    assert storage._space.cache.unflushed_bytes == 0

    storage.delete_all()
    await storage.sync()
    assert await storage.size() == (0, 0)
    await storage.close()
