"""What the calls of a room cost, counted by the server itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis
from parlour.storage import OwnedStorage, RedisBackend, RedisConnection, StorageLimits

SPACE = "chat/lobby"
COLD = StorageLimits(claim_bytes_max=-1, cache_bytes_max=0)  # nothing is known without being asked


@pytest.fixture
async def backend(valkey_url: str) -> AsyncIterator[RedisBackend]:
    backend = RedisBackend(RedisConnection(valkey_url))
    yield backend
    await backend.close()


class Server:
    """What the server was asked since the last look: the commands that came over the wire."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self.asked()

    def asked(self) -> dict[str, int]:
        stats: dict[str, dict[str, int]] = self._client.info("commandstats")
        self._client.config_resetstat()
        calls = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
        scripts = calls.get("evalsha", 0) + calls.get("eval", 0)
        # What a script does inside the server is counted too, and is no round trip.
        return {"scripts": scripts} if scripts else _reads(calls)

    def read(self) -> dict[str, int]:
        """How values and names were read, by scripts too."""
        stats: dict[str, dict[str, int]] = self._client.info("commandstats")
        self._client.config_resetstat()
        return _reads(
            {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
        )


def _reads(calls: dict[str, int]) -> dict[str, int]:
    return {name: calls[name] for name in ("hget", "hmget", "hgetall", "hkeys") if name in calls}


async def store(backend: RedisBackend, values: dict[str, object]) -> None:
    claim = await backend.claim(SPACE, owner="before", address="")
    storage = OwnedStorage(backend, claim)
    storage.put(values)
    await storage.close()
    await storage.release()


async def test_the_usual_room_costs_a_claim_and_a_round_trip_a_flush(
    backend: RedisBackend, valkey_url: str
) -> None:
    """What `on_start` reads came with the claim; a message that reads and puts is one flush."""
    await store(backend, {"history": ["hello"], "topic": "tea"})
    server = Server(valkey_url)
    storage = OwnedStorage(backend, await backend.claim(SPACE, owner="owner", address=""))
    assert server.asked() == {"scripts": 1}
    assert await storage.get("history") == ["hello"]
    assert await storage.get(["history", "topic", "absent"]) == {
        "history": ["hello"],
        "topic": "tea",
    }
    assert await storage.list() == {"history": ["hello"], "topic": "tea"}
    assert await storage.get_alarm() is None
    assert server.asked() == {}
    for number in range(5):
        history = await storage.get("history")
        storage.put("history", [*history, number])
        storage.put("topic", f"topic {number}")
        await storage.sync()
        assert server.asked() == {"scripts": 1}
    storage.abandon()


async def test_names_are_read_without_values(backend: RedisBackend, valkey_url: str) -> None:
    """Where nothing is known: `keys` asks for names alone, `list` for values too."""
    values: dict[str, object] = {f"{number:03}": bytes(10_000) for number in range(100)}
    await store(backend, values)
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=COLD)
    server = Server(valkey_url)
    assert await storage.keys() == sorted(values)
    assert set(server.read()) == {"hkeys"}
    assert await storage.list() == values
    assert "hkeys" not in server.read()
    storage.abandon()
