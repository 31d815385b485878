"""The layout in a real server: claims, fences, shards, and what foreign bytes do."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis
from parlour.storage import (
    Alarm,
    ClaimHeld,
    DecodeError,
    NotOwner,
    RedisBackend,
    RedisConnection,
    Storage,
    StorageLimits,
    encode,
)
from parlour.storage.backend import Batch, Home, ShardWrites
from parlour.storage.errors import FlushMissing
from parlour.storage.keys import MARK, metadata_key
from parlour.storage.server_errors import CommandFailed

from ..support.layout import check_layout

SPACE = "chat/lobby"
OWN_KEY = metadata_key(SPACE)


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


async def claimed(backend: RedisBackend, **limits: int) -> Storage:
    claim = await backend.claim(SPACE, owner="owner", address="")
    return Storage(backend, claim, limits=StorageLimits(**limits))


def shards(client: redis.Redis) -> list[str]:
    return sorted(key.decode() for key in client.scan_iter(match="*:s:*"))


# Claims


async def test_a_free_space_is_claimed_and_held(backend: RedisBackend) -> None:
    """Nobody else gets it; the refusal tells who holds it, where, and with which epoch."""
    claim = await backend.claim(SPACE, owner="one", address="one.sock")
    assert (claim.epoch, claim.flush_number, claim.values) == (1, 0, {})
    with pytest.raises(ClaimHeld) as refused:
        await backend.claim(SPACE, owner="two", address="two.sock")
    held = refused.value
    assert (held.owner, held.address, held.epoch) == ("one", "one.sock", 1)


async def test_the_holder_claims_again(backend: RedisBackend) -> None:
    """With the next epoch: its older claim is worth nothing."""
    await backend.claim(SPACE, owner="one", address="")
    assert (await backend.claim(SPACE, owner="one", address="")).epoch == 2
    with pytest.raises(NotOwner):
        await backend.commit(Batch(SPACE, "one", epoch=1, flush_number=1))


async def test_a_takeover_compares_the_epoch(backend: RedisBackend) -> None:
    """Of two that saw the same dead owner, one gets the space."""
    await backend.claim(SPACE, owner="one", address="")
    with pytest.raises(ClaimHeld):
        await backend.claim(SPACE, owner="two", address="", takeover_epoch=7)
    assert (await backend.claim(SPACE, owner="two", address="", takeover_epoch=1)).epoch == 2
    with pytest.raises(ClaimHeld) as refused:
        await backend.claim(SPACE, owner="three", address="", takeover_epoch=1)
    assert (refused.value.owner, refused.value.epoch) == ("two", 2)


async def test_a_released_space_is_free(backend: RedisBackend) -> None:
    """The epoch goes on from where it was, and only its owner can release it."""
    claim = await backend.claim(SPACE, owner="one", address="")
    await backend.release(SPACE, owner="one", epoch=claim.epoch + 1)
    with pytest.raises(ClaimHeld):
        await backend.claim(SPACE, owner="two", address="")
    await backend.release(SPACE, owner="one", epoch=claim.epoch)
    assert (await backend.claim(SPACE, owner="two", address="")).epoch == 2


async def test_a_claim_brings_a_small_space_whole(backend: RedisBackend) -> None:
    """And of a large one the index alone."""
    storage = await claimed(backend)
    storage.put({f"{number}": number for number in range(100)})
    await storage.close()
    claim = await backend.claim(SPACE, owner="owner", address="")
    assert claim.values == {f"{number}": encode(number) for number in range(100)}
    assert [info.key_count for info in claim.shards] == [100]
    storage = Storage(backend, claim)
    storage.put("large", bytes(100_000))
    await storage.close()
    claim = await backend.claim(SPACE, owner="owner", address="")
    assert claim.values is None
    assert sum(info.key_count for info in claim.shards) == 101


async def test_a_lease_is_alive_while_its_key_is_there(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """The key that actors renew."""
    assert not await backend.lease_alive("process-1")
    client.set("parlour:lease:process-1", "", px=60_000)
    assert await backend.lease_alive("process-1")


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
    found = await Storage(backend, claim).keys()
    assert found == sorted({name * (r + 1) for r in range(5) for name in names}, key=str.encode)


# Prefixes


def fields(client: redis.Redis) -> list[list[bytes]]:
    """The field names in each shard that is not empty."""
    hashes = [OWN_KEY, *shards(client)]
    names = [[bytes(name) for name in client.hkeys(key)] for key in hashes]  # type: ignore[arg-type]
    found = [sorted(name for name in some if not name.startswith(MARK)) for some in names]
    return [some for some in found if some]


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
        storage = Storage(backend, claim, limits=StorageLimits())
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
    listed = await Storage(backend, claim).list()
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
    assert list(await Storage(backend, claim).list()) == kept


# The own hash of a small space


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
        storage = Storage(place, claim)
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
    assert await Storage(backend, claim).list() == dict(sorted((some | growth).items()))


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


# Commits


async def test_a_commit_is_applied_once(backend: RedisBackend) -> None:
    """The same number again is answered with the index, and changes nothing."""
    claim = await backend.claim(SPACE, owner="owner", address="")
    batch = Batch(
        SPACE, "owner", claim.epoch, 1, writes={0: ShardWrites({"a": b"1", "b": b"1"}, [])}
    )
    first = await backend.commit(batch)
    batch.writes[0].deletes.append("a")
    again = await backend.commit(batch)
    assert (first.whole_index, again.whole_index) == (False, True)
    assert first.shards == again.shards
    assert await backend.read_fields(SPACE, {Home(0): ["a", "b"]}) == {"a": b"1", "b": b"1"}


async def test_a_flush_that_moved_a_space_out_is_applied_once(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """Sent again, as its answer was lost, it is still about shard 0, which is gone."""
    claim = await backend.claim(SPACE, owner="owner", address="")
    await backend.commit(_put(claim.epoch, 1, 1))
    long = encode("x" * 100)
    batch = _put(claim.epoch, 2, 2)
    batch.writes[0].sets["long"] = long
    first = await backend.commit(batch)
    assert [info.shard for info in first.shards] == [1]
    assert (first.removed, first.whole_index) == ([0], False)
    before = {key: client.hgetall(key) for key in client.scan_iter()}
    again = await backend.commit(batch)
    assert (again.shards, again.removed, again.whole_index) == (first.shards, [], True)
    assert {key: client.hgetall(key) for key in client.scan_iter()} == before
    claim = await backend.claim(SPACE, owner="owner", address="")
    await check_layout(backend, claim, StorageLimits())
    assert claim.values == {"a": encode(2), "long": long}


async def test_a_flush_that_moves_a_space_out_is_refused_whole(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """Over a hole, and of somebody else with the same epoch: shard 0 stays where it is."""
    claim = await backend.claim(SPACE, owner="owner", address="")
    await backend.commit(_put(claim.epoch, 1, 1))
    before = {key: client.hgetall(key) for key in client.scan_iter()}
    over_a_hole, not_ours = _put(claim.epoch, 3, 3), _put(claim.epoch, 2, 2)
    not_ours.owner = "other"
    for batch, refusal in ((over_a_hole, FlushMissing), (not_ours, NotOwner)):
        batch.writes[0].sets["long"] = encode("x" * 100)
        with pytest.raises(refusal):
            await backend.commit(batch)
        assert {key: client.hgetall(key) for key in client.scan_iter()} == before


async def test_a_copy_of_an_older_commit_changes_nothing(backend: RedisBackend) -> None:
    """One that a dead connection held back may arrive after newer ones."""
    claim = await backend.claim(SPACE, owner="owner", address="")
    for number in (1, 2):
        await backend.commit(_put(claim.epoch, number, number))
    answer = await backend.commit(_put(claim.epoch, 1, 1))
    assert answer.whole_index
    assert await backend.read_fields(SPACE, {Home(0): ["a"]}) == {"a": encode(2)}
    assert (await backend.claim(SPACE, owner="owner", address="")).flush_number == 2


def _put(epoch: int, flush_number: int, value: int) -> Batch:
    return Batch(
        SPACE, "owner", epoch, flush_number, writes={0: ShardWrites({"a": encode(value)}, [])}
    )


async def test_a_commit_follows_the_one_before_and_no_other(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """A server that lost flushes takes none that was made on top of them."""
    claim = await backend.claim(SPACE, owner="owner", address="")
    await backend.commit(_put(claim.epoch, 1, 1))
    before = {key: client.hgetall(key) for key in client.scan_iter()}
    with pytest.raises(FlushMissing, match=r"flush 4 cannot follow flush 1.* it lost 2 ack"):
        await backend.commit(_put(claim.epoch, 4, 4))
    assert {key: client.hgetall(key) for key in client.scan_iter()} == before
    await backend.commit(_put(claim.epoch, 2, 2))


async def test_the_same_epoch_of_another_owner_is_another_claim(backend: RedisBackend) -> None:
    """A fail-over can lose a claim, and somebody else is then given its epoch."""
    claim = await backend.claim(SPACE, owner="lucky", address="")
    await backend.commit(dataclasses.replace(_put(claim.epoch, 1, 1), owner="lucky"))
    with pytest.raises(NotOwner):
        await backend.commit(_put(claim.epoch, 1, 2))  # not taken for one that landed before
    await backend.release(SPACE, owner="owner", epoch=claim.epoch)
    with pytest.raises(ClaimHeld):
        await backend.claim(SPACE, owner="third", address="")


async def test_a_late_commit_changes_nothing(backend: RedisBackend, client: redis.Redis) -> None:
    """Of an owner that was taken over, and not even its progress."""
    old = await backend.claim(SPACE, owner="old", address="")
    await backend.claim(SPACE, owner="new", address="", takeover_epoch=old.epoch)
    before = {key: client.hgetall(key) for key in client.scan_iter()}
    late = Batch(
        SPACE,
        "old",
        old.epoch,
        1,
        clear=True,
        writes={0: ShardWrites({"a": b"1"}, [])},
        progress={"g": 1},
    )
    with pytest.raises(NotOwner):
        await backend.commit(late)
    assert {key: client.hgetall(key) for key in client.scan_iter()} == before


# What is not ours


async def test_foreign_bytes_name_their_key(backend: RedisBackend, client: redis.Redis) -> None:
    """Whoever wrote them, reading them is one error, for each way to read."""
    storage = await claimed(backend)
    storage.put({f"{number}": number for number in range(10)})
    await storage.close()
    client.hset("parlour:{chat/lobby}:r", "5", b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    for claim_bytes_max in (65_536, -1):
        place = RedisBackend(
            RedisConnection(backend._connection.url),  # type: ignore[attr-defined]
            limits=StorageLimits(claim_bytes_max=claim_bytes_max),
        )
        storage = await claimed(place)
        assert await storage.get("4") == 4
        reads: list[Callable[[Storage], Awaitable[object]]] = [
            lambda storage: storage.get("5"),
            lambda storage: storage.get(["4", "5"]),
            lambda storage: storage.list(prefix="5"),
        ]
        for read in reads:
            with pytest.raises(DecodeError, match="value stored at '5' cannot be decoded") as error:
                await read(storage)
            assert error.value.key == "5"
        await place.close()


async def test_a_foreign_key_of_a_small_space_is_named(
    backend: RedisBackend, client: redis.Redis
) -> None:
    """It is in one hash with metadata that are no UTF-8 either, and are ours."""
    storage = await claimed(backend)
    storage.put("a", 1)
    await storage.close()
    client.hset(OWN_KEY, b"b\x80", b"x")
    with pytest.raises(DecodeError, match=r"holds the field b'b\\x80', which is no UTF-8"):
        await backend.claim(SPACE, owner="owner", address="")


async def test_a_torn_large_value_is_an_error(backend: RedisBackend, client: redis.Redis) -> None:
    """Pieces that are missing or cut off are noticed."""
    storage = await claimed(backend)
    storage.put_large("value", bytes(3 * 2**20))
    await storage.close()
    torn = shards(client)[1]
    for name, piece in client.hgetall(torn).items():
        client.hset(torn, name, piece[:5])
    storage = await claimed(backend)
    with pytest.raises(DecodeError, match="its pieces are"):
        await storage.get_large("value")
    await storage.close()
