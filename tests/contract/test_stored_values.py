"""Values through a real server: whatever is storable comes back the same graph of objects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from parlour.storage import OwnedStorage, RedisBackend, RedisConnection, StorageLimits

from ..support.storable_values import difference, graphs

# Nothing is kept: what is read comes from the server.
LIMITS = StorageLimits(claim_bytes_max=-1, cache_bytes_max=0)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """A loop that lives as long as the test, which is not a coroutine."""
    with asyncio.Runner() as runner:
        yield runner


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=graphs())
def test_values_come_back_equal_with_their_identities(
    runner: asyncio.Runner, valkey_url: str, value: object
) -> None:
    """Over the whole closed list, cycles and shared references included, small and large."""
    runner.run(_round_trip(valkey_url, value))


async def _round_trip(url: str, value: object) -> None:
    backend = RedisBackend(RedisConnection(url), limits=LIMITS)
    claim = await backend.claim("chat/values", owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    storage.put("value", value)
    storage.put_large("value", value)
    for _ in ("before it is flushed", "from the server"):
        assert not difference(value, await storage.get("value"))
        assert not difference(value, (await storage.get(["value"]))["value"])
        assert not difference(value, (await storage.list())["value"])
        assert not difference(value, await storage.get_large("value"))
        await storage.sync()
    await storage.close()
    await backend.close()
