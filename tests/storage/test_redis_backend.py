"""Spaces in a real server: claims, fences, and what foreign bytes do."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis
from parlour.storage import (
    ClaimHeld,
    DecodeError,
    NotOwner,
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageLimits,
    encode,
)
from parlour.storage.backend import Batch, Home, ShardWrites
from parlour.storage.claim_errors import FlushMissing

from ..support.layout import OWN_KEY, SPACE, check_layout, claimed, shards


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
    storage = OwnedStorage(backend, claim)
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
        reads: list[Callable[[OwnedStorage], Awaitable[object]]] = [
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
