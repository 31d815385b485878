"""Where keys are in a real server: shards, and what their field names leave out."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
import redis
from parlour.storage import (
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageLimits,
    encode,
)

from ..support.layout import SPACE, check_layout, claimed, fields, shards


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


# Shards


async def test_all_keys_of_a_space_share_a_slot(backend: RedisBackend, client: redis.Redis) -> None:
    """Everything that a room stores carries its name as hash tag."""
    storage = await claimed(backend)
    storage.put({f"{number}": number for number in range(100)})
    storage.put_large("large", bytes(3 * 2**20))
    await storage.close()
    assert {key.decode().partition("}")[0] for key in client.scan_iter()} == {"parlour:{chat/lobby"}


async def test_appended_keys_fill_their_shards(backend: RedisBackend) -> None:
    """A log does not leave half empty shards behind, from either end."""
    storage = await claimed(backend)
    for number in range(2_000):
        storage.put(f"log:{number:05}", number)
        storage.put(f"gol:{9_999 - number:05}", number)
        if number % 7 == 0:
            await storage.sync()
    await storage.close()
    claim = await backend.claim(SPACE, owner="owner", address="")
    await check_layout(backend, claim, StorageLimits())
    assert len(claim.shards) <= 4_000 / 256 + 3


async def test_keys_in_random_order_fill_their_shards_well(backend: RedisBackend) -> None:
    """Above half, and no shard outgrows the server's compact encoding."""
    storage = await claimed(backend)
    numbers = list(range(5_000))
    random.Random(0).shuffle(numbers)
    for count, number in enumerate(numbers):
        storage.put(f"key:{number:05}", number)
        if count % 100 == 0:
            await storage.sync()
    await storage.close()
    claim = await backend.claim(SPACE, owner="owner", address="")
    await check_layout(backend, claim, StorageLimits())
    assert 5_000 / len(claim.shards) > 128


async def test_small_values_stay_in_the_compact_encoding(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """After small flushes, a very large one, and merges."""
    storage = await claimed(backend)
    for number in range(3_000):
        storage.put(f"key:{number * 7919 % 3_000:05}", number)
    await storage.sync()
    for number in range(500):
        storage.put(f"key:{number:05}:more", number)
        await storage.sync()
    for number in range(1_000, 2_900):
        storage.delete(f"key:{number:05}")
        if number % 50 == 0:
            await storage.sync()
    await storage.close()
    claim = await backend.claim(SPACE, owner="owner", address="")
    await check_layout(backend, claim, StorageLimits())
    encodings = {client.object("encoding", key) for key in shards(client)}
    assert encodings == {b"listpack"}


async def test_shards_split_by_bytes_too(backend: RedisBackend) -> None:
    """Few large values are as much to read as many small ones."""
    storage = await claimed(backend)
    for number in range(60):
        storage.put(f"key:{number * 37 % 60:05}", bytes(100_000))
    await storage.close()
    claim = await backend.claim(SPACE, owner="owner", address="")
    await check_layout(backend, claim, StorageLimits())
    assert 6 <= len(claim.shards) <= 12


async def test_emptied_shards_disappear(backend: RedisBackend, client: redis.Redis) -> None:
    """What was deleted takes no memory, and small neighbours become one."""
    storage = await claimed(backend)
    names = [f"key:{number:05}" for number in range(3_000)]
    for start in range(0, 3_000, 100):
        storage.put(dict.fromkeys(names[start : start + 100], 1))
        await storage.sync()
    assert len(shards(client)) > 10
    random.Random(0).shuffle(names)
    for start in range(0, 2_950, 50):
        storage.delete(names[start : start + 50])
        await storage.sync()
    assert len(shards(client)) <= 3
    storage.delete(names[2_950:])
    await storage.sync()
    assert shards(client) == []
    assert await storage.size() == (0, 0)


async def test_delete_all_leaves_the_metadata_alone(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """Epoch and flush number must go on, or an old owner could write again."""
    storage = await claimed(backend)
    for number in range(2_000):
        storage.put(f"{number}", number)
    await storage.sync()
    storage.delete_all()
    await storage.sync()
    assert list(client.scan_iter()) == [b"parlour:{chat/lobby}:r"]
    await storage.close()


async def test_keys_are_ordered_by_bytes_whatever_the_locale(backend: RedisBackend) -> None:
    """A split compares bytes, not letters of some language."""
    storage = await claimed(backend)
    names = [f"{a}{b}{c}" for a in "aAéz" for b in "bBß_\0" for c in "0cC\uffff😀"]
    for repeat in range(5):
        for name in names:
            storage.put(name * (repeat + 1), repeat)
        await storage.sync()
    await storage.close()
    claim = await backend.claim(SPACE, owner="owner", address="")
    await check_layout(backend, claim, StorageLimits())
    claim.values = None
    found = await OwnedStorage(backend, claim).keys()
    assert found == sorted({name * (r + 1) for r in range(5) for name in names}, key=str.encode)


# Prefixes


async def prefixes(backend: RedisBackend) -> list[str]:
    claim = await backend.claim(SPACE, owner="owner", address="")
    await check_layout(backend, claim, StorageLimits())
    return [info.prefix for info in sorted(claim.shards, key=lambda info: info.first)]


async def test_what_all_keys_begin_with_is_stored_once(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """In the index, not in the names of the fields; sizes count it for each key all the same."""
    storage = await claimed(backend)
    storage.put({f"user:{number}": number for number in range(10)})
    assert await storage.size() == (10, sum(len(f"user:{n}") + len(encode(n)) for n in range(10)))
    assert fields(client) == [[b"%d" % number for number in range(10)]]
    storage.delete(["user:3", "u", "other"])
    assert await storage.size() == (9, sum(len("user:1") + 1 for _ in range(9)))
    await storage.close()
    assert await prefixes(backend) == ["user:"]


async def test_a_key_that_begins_otherwise_shortens_the_prefix(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """The older keys are still found, and not taken for others; an emptied shard starts anew."""
    expected: dict[str, object] = {}
    storage = await claimed(backend)
    for number, key in enumerate(["user:aa", "user:aab", "user:b", "us", "é1", "é2", "b", ""]):
        storage.put(key, number)
        expected[key] = number
        await storage.sync()
        claim = await backend.claim(SPACE, owner="owner", address="")
        await check_layout(backend, claim, StorageLimits())
        storage = OwnedStorage(backend, claim, limits=StorageLimits())
        assert await storage.list() == dict(sorted(expected.items()))
    assert fields(client) == [sorted(key.encode() for key in expected)]
    storage.delete(list(expected))
    await storage.sync()
    storage.put("user:1", 1)
    await storage.close()
    assert await prefixes(backend) == ["user:1"]


async def test_a_split_lengthens_prefixes_at_characters(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """Each piece has what its own keys share; no character is cut, though their bytes are alike."""
    storage = await claimed(backend)
    for a in "éèx":
        storage.put({f"{a}/{number:03}": number for number in range(0, 200, 2)})
    for number in range(1, 200, 2):
        storage.put({f"{a}/{number:03}": number for a in "éèx"})
        await storage.sync()
    await storage.close()
    found = await prefixes(backend)
    assert len(found) > 2
    assert found[0].startswith("x/")
    claim = await backend.claim(SPACE, owner="owner", address="")
    claim.values = None
    listed = await OwnedStorage(backend, claim).list()
    assert listed == {f"{a}/{number:03}": number for a in "xèé" for number in range(200)}


async def test_merged_shards_have_what_both_prefixes_share(backend: RedisBackend) -> None:
    """And the keys of both."""
    storage = await claimed(backend)
    for number in range(300):
        storage.put(f"log/{number:03}", number)
        await storage.sync()
    await storage.close()
    before = await prefixes(backend)
    assert len(before) == 2
    assert before == ["log/", "log/2"]
    storage = await claimed(backend)
    kept = [f"log/{number:03}" for number in range(0, 300, 10)]
    for number in range(300):
        if f"log/{number:03}" not in kept:
            storage.delete(f"log/{number:03}")
            await storage.sync()
    await storage.close()
    assert await prefixes(backend) == ["log/"]
    claim = await backend.claim(SPACE, owner="owner", address="")
    assert list(await OwnedStorage(backend, claim).list()) == kept
