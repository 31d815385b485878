"""Storage in a real Redis Cluster: rooms spread over its nodes, and a slot that moves away."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator

import pytest
from parlour.storage import ClaimHeld, NotOwner, OwnedStorage, RedisBackend, StorageLimits
from parlour.storage.redis_cluster import connect
from redis.crc import key_slot

from ..support.layout import check_layout
from ..support.redis_cluster import RedisCluster

LIMITS = StorageLimits(shard_fields_max=8, claim_bytes_max=-1, cache_bytes_max=0)


@pytest.fixture
async def backend(cluster_url: str) -> AsyncIterator[RedisBackend]:
    """An empty cluster of three primaries."""
    backend = RedisBackend(await connect(cluster_url), limits=LIMITS)
    yield backend
    await backend.close()


async def use(backend: RedisBackend, space: str) -> None:
    """Do a bit of everything in a space of its own."""
    claim = await backend.claim(space, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    storage.put({f"{number:03}": space for number in range(60)})
    await storage.sync()
    async with storage.transaction() as txn:
        assert await txn.delete([f"{number:03}" for number in range(10, 20)]) == 10
        txn.put_large("large", bytes(2 * 2**20))
        txn.set_alarm(time.time() + 60)
    assert await storage.get("005") == space
    await storage.close()
    claim = await backend.claim(space, owner="owner", address="")
    await check_layout(backend, claim, LIMITS)
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    assert len(await storage.list()) == 50
    assert await storage.get_large("large") == bytes(2 * 2**20)
    assert await storage.get_alarm() is not None
    storage.delete_all()
    await storage.sync()
    assert await storage.size() == (0, 0)
    with pytest.raises(ClaimHeld):
        await backend.claim(space, owner="other", address="")
    await backend.release(space, owner=claim.owner, epoch=claim.epoch)


async def test_rooms_are_spread_over_the_nodes(
    backend: RedisBackend, redis_cluster: RedisCluster
) -> None:
    """Each in the slot of its name, with all of its keys."""
    spaces = [f"chat/{number}" for number in range(12)]
    await asyncio.gather(*(use(backend, space) for space in spaces))
    homes = {redis_cluster.owner(f"parlour:{{{space}}}:r").port for space in spaces}
    assert len(homes) == 3


@pytest.mark.parametrize("seed", range(6))
async def test_a_half_moved_room_waits(
    backend: RedisBackend, redis_cluster: RedisCluster, seed: int
) -> None:
    """While some of its keys are on the other node, no flush lands in part and no read misses."""
    chance = random.Random(seed)
    space = f"chat/half-{seed}"
    claim = await backend.claim(space, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    storage.put({f"{number:03}": number for number in range(100)})
    await storage.sync()
    name = f"parlour:{{{space}}}:r"
    old = redis_cluster.owner(name)
    new = next(node for node in redis_cluster.nodes if node is not old)
    redis_cluster.begin_move(name, new)
    names = old.ask("CLUSTER", "GETKEYSINSLOT", key_slot(name.encode()), 1000)
    shards = [key for key in names if b":s:" in key]
    moved = chance.sample(shards, len(shards) // 2)
    if seed % 2:  # what decides about a flush has moved already
        moved += [key for key in names if b":s:" not in key]
    old.ask("MIGRATE", "127.0.0.1", new.port, "", 0, 5000, "KEYS", *moved)

    reading = asyncio.ensure_future(storage.get([f"{number:03}" for number in range(0, 100, 7)]))
    await asyncio.wait([reading])
    for number in range(0, 100, 3):
        storage.put(f"{number:03}", "rewritten")
        storage.put(f"{number:03}:new", "new")
    if seed > 3:
        storage.delete_all()
        storage.put("only", "this")
    syncing = asyncio.ensure_future(storage.sync())
    await asyncio.wait([syncing], timeout=0.3)
    await asyncio.to_thread(redis_cluster.finish_move, name, new)
    await syncing

    assert await reading == {f"{number:03}": number for number in range(0, 100, 7)}
    expected: dict[str, object] = {f"{number:03}": number for number in range(100)}
    expected |= {f"{number:03}": "rewritten" for number in range(0, 100, 3)}
    expected |= {f"{number:03}:new": "new" for number in range(0, 100, 3)}
    if seed > 3:
        expected = {"only": "this"}
    claim = await backend.claim(space, owner="owner", address="")
    await check_layout(backend, claim, LIMITS)
    assert await OwnedStorage(backend, claim, limits=LIMITS).list() == dict(
        sorted(expected.items())
    )
    assert claim.flush_number == storage.durable


@pytest.mark.parametrize("moved", [False, True])
async def test_a_small_room_is_never_half_moved(
    cluster_url: str, redis_cluster: RedisCluster, moved: bool
) -> None:
    """It is one key: it waits where it moves from, and goes on and grows where it moved to."""
    limits = StorageLimits(claim_bytes_max=-1, cache_bytes_max=0)
    backend = RedisBackend(await connect(cluster_url), limits=limits)
    space = f"chat/small-{moved}"
    claim = await backend.claim(space, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=limits)
    expected: dict[str, object] = {f"{number:03}": number for number in range(10)}
    storage.put(expected)
    await storage.sync()
    name = f"parlour:{{{space}}}:r"
    old = redis_cluster.owner(name)
    new = next(node for node in redis_cluster.nodes if node is not old)
    redis_cluster.begin_move(name, new)
    assert old.ask("CLUSTER", "GETKEYSINSLOT", key_slot(name.encode()), 10) == [name.encode()]
    if moved:
        old.ask("MIGRATE", "127.0.0.1", new.port, "", 0, 5000, "KEYS", name)
    assert await storage.list() == expected
    claim = await backend.claim(space, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=limits)
    for key, value in [("010", 10), ("x", "no common prefix"), ("large", "x" * 1000)]:
        storage.put(key, value)
        expected[key] = value
        syncing = asyncio.ensure_future(storage.sync())
        if moved:
            await syncing
    if moved:
        assert await storage.list() == dict(sorted(expected.items()))
    await asyncio.to_thread(redis_cluster.finish_move, name, new)
    await syncing
    assert await storage.list() == dict(sorted(expected.items()))
    await storage.close()
    claim = await backend.claim(space, owner="owner", address="")
    await check_layout(backend, claim, limits)
    await backend.close()


@pytest.mark.parametrize("moved", [False, True])
async def test_a_room_is_forgotten_whole_while_its_slot_moves(
    backend: RedisBackend, redis_cluster: RedisCluster, moved: bool
) -> None:
    """On either side the epoch is kept: what the room's owners of before still send is refused."""
    space = f"chat/forgotten-{moved}"
    claim = await backend.claim(space, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    storage.put({f"{number:03}": number for number in range(5)})
    storage.delete_all()
    await storage.sync()
    name = f"parlour:{{{space}}}:r"
    old = redis_cluster.owner(name)
    new = next(node for node in redis_cluster.nodes if node is not old)
    redis_cluster.begin_move(name, new)
    if moved:
        old.ask("MIGRATE", "127.0.0.1", new.port, "", 0, 5000, "KEYS", name)
    forgetting = asyncio.ensure_future(
        backend.forget(space, owner="owner", epoch=claim.epoch, flush_number=storage.durable)
    )
    await asyncio.wait([forgetting], timeout=0.3)
    await asyncio.to_thread(redis_cluster.finish_move, name, new)
    await forgetting
    storage.put("late", 1)
    with pytest.raises(NotOwner):
        await storage.sync()
    claim = await backend.claim(space, owner="next", address="")
    assert (claim.epoch, claim.flush_number, claim.shards) == (2, 0, [])


async def test_a_room_follows_its_slot(backend: RedisBackend, redis_cluster: RedisCluster) -> None:
    """The slot moves to another node while the room writes; nothing is lost or refused."""
    space = "chat/moving"
    claim = await backend.claim(space, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    for number in range(40):
        storage.put(f"{number:03}", number)
    await storage.sync()
    name = f"parlour:{{{space}}}:r"
    old = redis_cluster.owner(name)
    new = next(node for node in redis_cluster.nodes if node is not old)

    stop = asyncio.Event()

    async def write() -> int:
        number = 40
        while not stop.is_set():
            storage.put(f"{number:03}", number)
            await storage.sync()
            assert await storage.get(f"{number - 30:03}") == number - 30
            number += 1
        return number

    writer = asyncio.create_task(write())
    await asyncio.to_thread(redis_cluster.begin_move, name, new)
    await asyncio.to_thread(redis_cluster.finish_move, name, new)
    assert redis_cluster.owner(name) is new
    stop.set()
    count = await writer
    assert len(await storage.list()) == count
    claim = await backend.claim(space, owner="owner", address="")
    await check_layout(backend, claim, LIMITS)
    assert claim.flush_number == storage.durable
