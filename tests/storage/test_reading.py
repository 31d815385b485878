"""Reads belong to the moment of their call, however flushes and splits cross their way."""

from __future__ import annotations

import random

import pytest
from parlour.storage import (
    MemoryBackend,
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageLimits,
)
from parlour.storage.backend import ShardInfo

from ..support.fragile_backend import Delays, FragileBackend, turns

SPACE = "chat/lobby"

# Nothing is kept in the cache, shards are tiny, and a list takes several requests.
LIMITS = StorageLimits(
    shard_fields_max=4,
    large_chunk_bytes=100,
    claim_bytes_max=-1,
    cache_bytes_max=0,
    read_bytes_max=60,
)


@pytest.mark.parametrize("seed", range(20))
async def test_reads_are_not_disturbed_by_flushes_under_way(seed: int) -> None:
    """Flushes that split, merge and clear shards, before, while and after a read is asked."""
    chance = random.Random(seed)
    backend = FragileBackend(MemoryBackend(limits=LIMITS))
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    state: dict[str, object] = {}

    def write() -> None:
        for _ in range(chance.randrange(8)):
            key = f"{chance.randrange(60):02}"
            if chance.random() < 0.3:
                storage.delete(key)
                state.pop(key, None)
            else:
                state[key] = chance.randrange(1000)
                storage.put(key, state[key])
        if chance.random() < 0.05:
            storage.delete_all()
            state.clear()
        if chance.random() < 0.3:
            storage.put_large("large", large := chance.randbytes(chance.randrange(1_500)))
            state["large"] = large

    for _ in range(40):
        backend.delays = Delays(*(chance.randrange(5) for _ in range(3)))
        write()
        await turns(chance.randrange(12))
        expected = {key: value for key, value in sorted(state.items()) if key != "large"}
        some = chance.sample(range(60), 20)
        low, high = sorted(chance.sample(range(60), 2))
        limit, reverse = chance.randrange(1, 30), chance.random() < 0.5
        got = storage.get([f"{number:02}" for number in some])
        one = storage.get(f"{low:02}")
        large = storage.get_large("large")
        all_of_it = storage.list()
        names = storage.keys(start=f"{low:02}", end=f"{high:02}", limit=limit, reverse=reverse)
        existed = storage.delete([f"{number:02}" for number in some])
        before = dict(state)
        for number in some:
            state.pop(f"{number:02}", None)
        write()
        await turns(chance.randrange(12))
        write()

        assert list((await all_of_it).items()) == list(expected.items())
        in_range = [key for key in expected if f"{low:02}" <= key < f"{high:02}"]
        assert await names == (in_range[::-1] if reverse else in_range)[:limit]
        assert await got == {k: v for k, v in expected.items() if int(k) in some}
        assert await one == expected.get(f"{low:02}")
        assert await large == before.get("large")
        assert await existed == sum(f"{number:02}" in before for number in some)
    await storage.close()


async def test_a_read_is_not_disturbed_by_fields_that_get_other_names(valkey_url: str) -> None:
    """A flush under way shortens the prefix: the name that was asked for is another key's now."""
    redis = RedisBackend(RedisConnection(valkey_url), limits=LIMITS)
    backend = FragileBackend(redis)
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    storage.put({"aa": 1, "aab": 2})
    await storage.sync()
    assert [info.prefix for info in storage_index(storage)] == ["aa"]
    backend.delays = Delays(commit_answer=20)
    storage.put("b", 3)
    await turns(3)  # the flush is sent, so what is asked now is answered after it
    got = storage.get("aab")  # asks for the field `b`
    listed = storage.list()
    names = storage.keys(prefix="a")
    assert [info.prefix for info in storage_index(storage)] == ["aa"]
    assert await got == 2
    assert await listed == {"aa": 1, "aab": 2, "b": 3}
    assert await names == ["aa", "aab"]
    assert [info.prefix for info in storage_index(storage)] == [""]
    await storage.close()
    await redis.close()


def storage_index(storage: OwnedStorage) -> list[ShardInfo]:
    """What the owner knows of its shards."""
    return storage._space.index.covering("", None)


async def test_a_read_that_nobody_awaits_holds_nothing_up() -> None:
    """It is finished by itself, and flushes go on."""
    backend = FragileBackend(MemoryBackend(limits=LIMITS))
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    backend.delays = Delays(read_answer=20)
    storage.put({f"{number:02}": number for number in range(60)})
    await storage.sync()
    storage.list()
    assert storage.reads_pending == 1
    storage.put("late", 1)
    await storage.sync()
    assert storage.reads_pending == 0
    await storage.close()


async def test_a_cancelled_read_is_over() -> None:
    """Who gives up a read frees the flush that waited for it."""
    backend = FragileBackend(MemoryBackend(limits=LIMITS))
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    storage.put({f"{number:02}": number for number in range(60)})
    await storage.sync()
    backend.delays = Delays(read_answer=1_000_000)
    reading = storage.get("01")
    storage.put("late", 1)
    await turns(3)
    reading.cancel()  # type: ignore[attr-defined]
    await storage.sync()
    assert storage.reads_pending == 0
    await storage.close()


async def test_reads_under_way_are_finished_when_storage_is_closed() -> None:
    """Hibernation refuses new calls, and keeps what was promised."""
    backend = FragileBackend(MemoryBackend(limits=LIMITS))
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    storage.put("01", 1)
    await storage.sync()
    backend.delays = Delays(read_answer=20)
    reading = storage.get("01")
    await storage.close()
    assert await reading == 1


async def test_what_is_known_is_awaited_without_the_event_loop() -> None:
    """A hit in the cache suspends nothing, so no other event gets in between."""
    backend = MemoryBackend()
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim)
    storage.put({"a": 1, "b": 2})
    known = [
        storage.get("a"),
        storage.get("none"),
        storage.get(["a", "b"]),
        storage.list(),
        storage.keys(),
        storage.delete("a"),
        storage.put("c", 3),
        storage.get_alarm(),
    ]
    for awaitable in known:
        with pytest.raises(StopIteration):
            next(awaitable.__await__())
    await storage.close()
