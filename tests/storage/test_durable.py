"""Reading a space beside its owner: what is durable, at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from parlour.storage import OwnedStorage, RedisBackend, StorageError, StorageLimits, decode, encode
from parlour.storage import durable as durable_module
from parlour.storage.backend import FIRST_SHARD
from parlour.storage.durable import LOOKS_MAX, DurableSpace
from parlour.storage.key_range import KeyRange
from parlour.storage.keys import metadata_key, shard_key
from parlour.storage.redis_cluster import connect
from parlour.storage.redis_connection import RedisClient

from ..support.redis_cluster import RedisCluster

SPACE = "chat/lobby"
LIMITS = StorageLimits(shard_fields_max=8, shard_bytes_max=4096)
EVERYTHING = KeyRange.of(
    start=None, start_after=None, end=None, prefix=None, reverse=False, limit=None
)


@pytest.fixture(params=["valkey", "cluster"])
async def connection(request: pytest.FixtureRequest) -> AsyncIterator[RedisClient]:
    """To an empty Valkey, and to an empty cluster."""
    connection = await connect(request.getfixturevalue(f"{request.param}_url"))
    yield connection
    await connection.close()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two shards a page, so that little data makes many."""
    monkeypatch.setattr(durable_module, "PAGE_SHARDS_MAX", 2)


@pytest.fixture
async def storage(connection: RedisClient) -> AsyncIterator[OwnedStorage]:
    """The storage of the space's owner, over the same connection."""
    backend = RedisBackend(connection, limits=LIMITS)
    storage = OwnedStorage(
        backend, await backend.claim(SPACE, owner="owner", address=""), limits=LIMITS
    )
    yield storage
    storage.abandon()


async def look(connection: RedisClient) -> DurableSpace:
    """Look at the space, which is there."""
    space = await DurableSpace.look(connection, SPACE)
    assert space is not None
    return space


async def listed(space: DurableSpace, wanted: KeyRange = EVERYTHING) -> dict[str, object]:
    """All pages of a range in one, decoded."""
    return {key: decode(data) async for page in space.pages(wanted) for key, data in page.items()}


async def test_everything_that_is_durable_is_read(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """In key order, and nothing of what storage keeps for itself."""
    expected = {f"{number:03}": number for number in range(100)}
    storage.put(expected)
    storage.put_large("large", "x")
    await storage.sync()
    space = await look(connection)
    found = await listed(space)
    assert list(found.items()) == list(expected.items())
    assert space.is_one_state
    assert space.flush_number == 1
    assert await space.read(["005", "none", "099"]) == {"005": encode(5), "099": encode(99)}


@pytest.mark.parametrize(
    "bounds",
    [
        {"start": "010", "end": "030"},
        {"prefix": "01"},
        {"start_after": "095"},
        {"limit": 1},
        {"limit": 37},
        {"prefix": "x"},
    ],
)
async def test_a_range_is_what_list_gives(
    connection: RedisClient, storage: OwnedStorage, bounds: dict[str, Any]
) -> None:
    """The same keys in the same order."""
    storage.put({f"{number:03}": number for number in range(100)})
    await storage.sync()
    all_bounds: dict[str, Any] = {
        **dict.fromkeys(["start", "start_after", "end", "prefix", "limit"]),
        **bounds,
    }
    wanted = KeyRange.of(**all_bounds, reverse=False)
    found = await listed(await look(connection), wanted)
    assert found == await storage.list(**bounds)
    assert list(found) == sorted(found)


async def test_what_is_not_flushed_is_not_read(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """It is not durable, and may never be."""
    storage.put("a", 1)
    await storage.sync()
    space = await look(connection)
    storage.put("a", 2)
    assert await space.read(["a"]) == {"a": encode(1)}
    await storage.sync()
    assert await space.read(["a"]) == {"a": encode(2)}
    assert not space.is_one_state
    assert space.flush_number == 2


async def test_keys_that_move_while_they_are_read_are_found(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """Between two pages shards split, merge and are dropped; a key that stays is in one page."""
    stay = {f"{number:03}": number for number in range(0, 100, 5)}
    storage.put(stay)
    storage.put({f"{number:03} goes": number for number in range(0, 100, 2)})
    await storage.sync()
    space = await look(connection)
    pages = space.pages(EVERYTHING)
    found: dict[str, bytes] = {}
    number = 0
    async for page in pages:
        assert not found.keys() & page.keys()
        found.update(page)
        number += 1
        storage.put({f"{n:03} comes {number}": n for n in range(0, 100, 3)})
        storage.delete([f"{n:03} goes" for n in range(0, 100, 2)])
        await storage.sync()
    assert number > 2
    assert {key: decode(found[key]) for key in stay} == stay
    assert not space.is_one_state


async def test_a_small_space_that_moves_out_while_it_is_read_is_found(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """The reader knows its keys in the hash of the metadata; then they are in others, then back."""
    small: dict[str, object] = {f"{number:03}": number for number in range(5)}
    large: dict[str, object] = {f"{number:03}": "x" * number for number in range(100)}
    storage.put(small)
    await storage.sync()
    paged, asked = await look(connection), await look(connection)
    assert [info.shard for info in paged.state.shards] == [FIRST_SHARD]
    storage.put(large)
    await storage.sync()
    assert await listed(paged) == large
    assert await asked.read(["003", "099"]) == {"003": encode("xxx"), "099": encode("x" * 99)}
    storage.delete_all()
    storage.put(small)
    await storage.sync()
    assert await listed(paged) == small
    assert await asked.read(["003", "099"]) == {"003": encode(3)}


async def test_metadata_are_not_taken_for_keys(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """Of a small space, which has them in the same hash."""
    storage.put({name: name for name in ("e", "o", "0", "")})
    storage.put_large("large", 1)
    storage.set_alarm(10.0)
    await storage.sync()
    space = await look(connection)
    assert [info.shard for info in space.state.shards] == [FIRST_SHARD]
    assert await listed(space) == {name: name for name in ("", "0", "e", "o")}
    assert [key async for key in space.large_keys()] == ["large"]
    assert await space.read(["e", "a", "f"]) == {"e": encode("e")}


async def test_fields_that_get_other_names_are_found(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """A key that begins otherwise than the rest: then `b` is its field, where it was `aab`'s."""
    storage.put({"aaa": 1, "aab": 2})
    await storage.sync()
    spaces = [await look(connection) for _ in range(3)]
    storage.put("b", 3)
    await storage.sync()
    assert await spaces[0].read(["aab"]) == {"aab": encode(2)}
    assert await spaces[1].read(["b"]) == {"b": encode(3)}
    assert await listed(spaces[2]) == {"aaa": 1, "aab": 2, "b": 3}


async def test_the_first_key_of_a_space_is_found(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """By whoever has looked before, when it held none; and of one that stays empty, none is."""
    storage.set_alarm(10.0)
    await storage.sync()
    space = await look(connection)
    assert await space.read(["a"]) == {}
    assert space.is_one_state
    storage.put("a", 1)
    await storage.sync()
    assert await space.read(["a"]) == {"a": encode(1)}
    assert not space.is_one_state


async def test_a_space_that_was_deleted_and_is_new_is_found(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """The numbers of its shards begin anew: where they cut the keys is not where they did."""
    storage.put(dict.fromkeys(["10", "11", "12", "13", "14", "15", "16", "17", "18"], "old"))
    await storage.sync()
    space = await look(connection)
    storage.delete_all()
    await storage.sync()
    backend = RedisBackend(connection, limits=LIMITS)
    await backend.forget(SPACE, owner="owner", epoch=1, flush_number=storage.durable)
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    storage.put(dict.fromkeys(["10", "11", "110", "111", "112", "113", "114", "115", "116"], "new"))
    await storage.sync()
    state = (await look(connection)).state
    before, now = sorted(space.state.shards), sorted(state.shards)
    assert [(info.shard, info.first) for info in before] == [(1, ""), (2, "15")]
    assert [(info.shard, info.first) for info in now] == [(1, ""), (2, "113")]
    assert before[0].prefix == now[0].prefix
    assert await space.read(["115"]) == {"115": encode("new")}


async def test_a_page_is_one_state_while_the_owner_writes(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """Two keys that change together are never read apart, though they are in two shards."""
    storage.put({f"{number:03}": 0 for number in range(30)})
    await storage.sync()
    space = await look(connection)
    stop = asyncio.Event()

    async def write() -> int:
        round_ = 0
        while not stop.is_set():
            round_ += 1
            storage.put({"000": round_, "029": round_, f"new {round_:04}": 1})
            await storage.sync()
        return round_

    writer = asyncio.create_task(write())
    for _ in range(50):
        found = await space.read(["000", "029"])
        assert found["000"] == found["029"]
    stop.set()
    assert await writer > 1


async def test_large_values_are_read_whole(connection: RedisClient, storage: OwnedStorage) -> None:
    """Also one whose key holds the sign that separates pieces, or is empty."""
    values = {"": b"empty", "a": bytes(3 * 2**20), "a\0": "other", "a\x0000": [1], "ä": 5}
    for key, value in values.items():
        storage.put_large(key, value)
    storage.put_large("gone", 1)
    storage.delete_large("gone")
    await storage.sync()
    space = await look(connection)
    assert sorted([key async for key in space.large_keys()]) == sorted(values)
    for key, value in values.items():
        data = await space.read_large(key)
        assert data is not None
        assert decode(data) == value
    assert await space.read_large("gone") is None
    assert await listed(space) == {}


async def test_a_large_value_that_is_rewritten_is_read_whole(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """Longer and shorter in turn: what is read is one of them, never parts of two."""
    sizes = [3 * 2**20, 5 * 2**20 + 1, 1000]
    storage.put_large("a", bytes([0]) * sizes[0])
    await storage.sync()
    space = await look(connection)

    async def rewrite(round_: int) -> None:
        storage.put_large("a", bytes([round_ % 3]) * sizes[round_ % 3])
        await storage.sync()

    for round_ in range(1, 16):
        rewriting = asyncio.create_task(rewrite(round_))
        await asyncio.sleep(0)
        data = await space.read_large("a")
        assert data is not None
        value = decode(data)
        assert isinstance(value, bytes)
        assert value == value[:1] * sizes[value[0]]
        await rewriting
    assert not space.is_one_state


async def test_a_space_that_is_deleted_meanwhile_is_told(
    connection: RedisClient, storage: OwnedStorage
) -> None:
    """Rather than taken for an empty one."""
    storage.put("a", 1)
    await storage.sync()
    space = await look(connection)
    storage.delete_all()
    await storage.sync()
    await RedisBackend(connection).forget(SPACE, owner="owner", epoch=1, flush_number=2)
    with pytest.raises(StorageError, match="deleted while it was read"):
        await space.read(["a"])


async def test_reading_gives_up_at_a_space_that_never_stays(
    connection: RedisClient, storage: OwnedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `LOOKS_MAX` looks, with what to do."""
    storage.put("a", 1)
    await storage.sync()
    space = await look(connection)
    looks = 0
    state = space._inspector.state

    async def move() -> None:
        """Have the field of the key get another name, as another key comes or goes."""
        storage.delete_all()
        storage.put({"a": looks} if looks % 2 else {"a": looks, "b": looks})
        await storage.sync()

    async def move_and_look(name: str) -> object:
        nonlocal looks
        looks += 1
        found = await state(name)
        await move()
        return found

    monkeypatch.setattr(space._inspector, "state", move_and_look)
    await move()
    with pytest.raises(StorageError, match="hibernate the room first"):
        await listed(space)
    with pytest.raises(StorageError, match="hibernate the room first"):
        await space.read(["a"])
    assert looks == 2 * LOOKS_MAX


@pytest.mark.parametrize("first", ["a shard", "the metadata"])
async def test_a_half_moved_space_waits(
    cluster_url: str, redis_cluster: RedisCluster, first: str
) -> None:
    """While a cluster moves its slot, a read misses nothing: it waits until all keys are there."""
    connection = await connect(cluster_url)
    backend = RedisBackend(connection, limits=LIMITS)
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS)
    storage.put({f"{number:03}": number for number in range(100)})
    await storage.sync()
    name = metadata_key(SPACE)
    old = redis_cluster.owner(name)
    new = next(node for node in redis_cluster.nodes if node is not old)
    space = await look(connection)
    redis_cluster.begin_move(name, new)
    shard = space.state.shards[0].shard
    moved = shard_key(SPACE, shard) if first == "a shard" else name
    assert (moved == name) == (first == "the metadata")
    old.ask("MIGRATE", "127.0.0.1", new.port, "", 0, 5000, "KEYS", moved)
    reading = asyncio.ensure_future(listed(space))
    await asyncio.wait([reading], timeout=0.3)
    assert not reading.done()
    await asyncio.to_thread(redis_cluster.finish_move, name, new)
    assert await reading == {f"{number:03}": number for number in range(100)}
    await connection.close()
