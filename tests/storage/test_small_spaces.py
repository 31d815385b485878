"""The one hash of a small space, and when it is one no more."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis
from parlour.storage import (
    Alarm,
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageLimits,
    encode,
)
from parlour.storage.server_errors import CommandFailed

from ..support.layout import OWN_KEY, SPACE, check_layout, claimed, fields, shards


@pytest.fixture
async def backend(valkey_url: str) -> AsyncIterator[RedisBackend]:
    """An empty Valkey."""
    backend = RedisBackend(RedisConnection(valkey_url))
    yield backend
    await backend.close()


@pytest.fixture
def client(valkey_url: str) -> redis.Redis:
    """The same server, to look behind the back of storage."""
    return redis.Redis.from_url(valkey_url)


async def test_a_small_space_is_one_key_of_the_server(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """In the compact encoding, with its metadata, which no key is taken for."""
    names = ["e", "o", "f", "n", "t", "t:x", "p:g", "0", "1", "", "ÿe", "é"]
    storage = await claimed(backend)
    for number, name in enumerate(names):
        storage.put(name, number)
        storage.change_alarm(name, Alarm(10_000 + number))
        await storage.sync()
    storage.delete("f")
    await storage.close()
    assert [key.decode() for key in client.scan_iter(match="*chat*")] == [OWN_KEY]
    assert client.object("encoding", OWN_KEY) == b"listpack"
    expected = {name: number for number, name in enumerate(names) if name != "f"}
    for claim_bytes_max in (65_536, -1):
        place = RedisBackend(
            backend._connection, limits=StorageLimits(claim_bytes_max=claim_bytes_max)
        )
        claim = await place.claim(SPACE, owner="owner", address="")
        await check_layout(backend, claim, StorageLimits())
        assert (claim.values is None) == (claim_bytes_max < 0)
        assert claim.flush_number == len(names) + 1
        assert set(claim.alarms) == set(names)
        storage = OwnedStorage(place, claim)
        assert await storage.keys() == sorted(expected)
        assert await storage.get(names) == expected
        assert await storage.list() == dict(sorted(expected.items()))


GROWTH: dict[str, dict[str, object]] = {
    "keys": {f"more:{number:03}": 1 for number in range(60)},
    "bytes": {f"more:{number:03}": "x" * 63 for number in range(58)},
    "a long value": {"history": "x" * 100},
    "a long key": {"x" * 65: 1},
}


@pytest.mark.parametrize("growth", GROWTH.values(), ids=GROWTH.keys())
async def test_a_space_that_is_not_small_any_more_moves_out(
    backend: RedisBackend, client: redis.Redis, growth: dict[str, object]
) -> None:
    """Its keys get a hash of their own, and the metadata stay compact."""
    some: dict[str, object] = {f"some:{number}": number for number in range(6)}
    storage = await claimed(backend)
    storage.put(some)
    await storage.sync()
    assert shards(client) == []
    storage.put(growth)
    await storage.sync()
    assert len(shards(client)) == 1
    assert client.object("encoding", OWN_KEY) == b"listpack"
    storage.delete("some:3")
    del some["some:3"]
    await storage.close()
    claim = await backend.claim(SPACE, owner="owner", address="")
    await check_layout(backend, claim, StorageLimits())
    claim.values = None
    assert await OwnedStorage(backend, claim).list() == dict(sorted((some | growth).items()))


async def test_a_space_starts_small_again_after_delete_all(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """What it held is gone from its own hash and from all others."""
    storage = await claimed(backend)
    for count in (10, 1000, 10):
        for number in range(count):
            storage.put(f"{count}:{number}", number)
        await storage.sync()
        assert (shards(client) == []) == (count == 10)
        storage.delete_all()
        storage.put("only", count)
        await storage.sync()
        assert fields(client) == [[b""]]
        assert shards(client) == []
        assert await storage.size() == (1, len("only") + len(encode(count)))
        storage.delete_all()
    await storage.close()


async def test_what_an_older_layout_left_is_refused(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """Its data must not be taken for an empty space."""
    client.hset("parlour:{chat/lobby}:m", mapping={"e": "7", "n": "1"})
    with pytest.raises(CommandFailed, match="written by an older version of Parlour"):
        await backend.claim(SPACE, owner="owner", address="")
    assert not client.exists(OWN_KEY)
