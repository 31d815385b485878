"""Large values go in slices ahead of their flush, and nobody sees them before it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from parlour.storage import (
    MemoryBackend,
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageError,
    ValueTooLarge,
    WriteBufferFull,
    encode,
)
from parlour.storage.backend import Batch, Committed
from parlour.storage.large_flush import SLICE_BYTES_MAX, ahead_of
from parlour.storage.large_names import head_of, names_of, pack_head

SPACE = "chat/lobby"
MIB = 1024 * 1024


class Watched(MemoryBackend):
    """Notes the commits, and dies before one of them when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Batch] = []
        self.dies_at = -1

    async def commit(self, batch: Batch) -> Committed:
        if len(self.batches) == self.dies_at:
            raise StorageError("the process dies here")
        self.batches.append(batch)
        return await super().commit(batch)


@pytest.fixture
def backend() -> Watched:
    """An empty place in memory."""
    return Watched()


async def opened(backend: MemoryBackend, **options: object) -> OwnedStorage:
    claim = await backend.claim(SPACE, owner="owner", address="")
    return OwnedStorage(backend, claim, **options)  # type: ignore[arg-type]


def test_pieces_that_are_more_than_a_slice_go_ahead() -> None:
    """In slices of a bounded size; the head, deletes and all other keys stay in the flush."""
    head = pack_head(10, 10 * MIB, 1, 0)
    pieces = dict.fromkeys(names_of("film", head), bytes(MIB))
    rest = {head_of("film"): head, "key": b"1", "gone": None, names_of("old", head)[0]: None}
    large = [name for name in (*pieces, *rest) if name not in ("key", "gone")]
    slices, left = ahead_of({**pieces, **rest}, large)
    assert left == rest
    assert [len(one) for one in slices] == [4, 4, 2]
    assert {name: data for one in slices for name, data in one.items()} == pieces


def test_pieces_that_fit_one_slice_stay() -> None:
    """A round trip of their own would gain nothing."""
    head = pack_head(2, 2 * MIB, 1, 0)
    entries = {**dict.fromkeys(names_of("film", head), bytes(MIB)), head_of("film"): head}
    assert ahead_of(entries, list(entries)) == ([], entries)


async def test_a_large_value_takes_several_commits_and_is_one_flush(backend: Watched) -> None:
    """Progress, and what was written beside it, come with the last; the gate waits for that."""
    storage = await opened(backend, progress=lambda: {"g1": 7})
    storage.put_large("film", bytes(10 * MIB))
    storage.put("title", "Metropolis")
    gate = storage.gate
    await storage.sync()
    assert storage.durable == gate == 1
    assert [batch.flush_number for batch in backend.batches] == [1, 2, 3, 4]
    assert [batch.progress for batch in backend.batches] == [{}, {}, {}, {"g1": 7}]
    assert max(batch.size_bytes for batch in backend.batches) <= SLICE_BYTES_MAX
    storage.put("title", "M")
    await storage.sync()
    assert storage.durable == 2
    again = await opened(backend)
    assert len(await again.get_large("film")) == 10 * MIB
    assert await again.get("title") == "M"


@pytest.mark.parametrize("dies_at", [5, 6, 7])
async def test_a_process_that_dies_on_the_way_leaves_what_was_there(
    backend: Watched, dies_at: int
) -> None:
    """Whole; what it had brought by then is deleted with the next writing."""
    storage = await opened(backend)
    storage.put_large("film", b"old" * 3 * MIB)
    await storage.sync()
    size = await storage.size()
    backend.dies_at = dies_at
    storage.put_large("film", b"new" * 4 * MIB)
    with pytest.raises(StorageError):
        await storage.sync()

    backend.dies_at = -1
    storage = await opened(backend)
    assert await storage.get_large("film") == b"old" * 3 * MIB
    assert (await storage.size()).keys > size.keys or dies_at == 5
    storage.put_large("film", b"old" * 3 * MIB)
    await storage.sync()
    assert await storage.size() == size
    assert await (await opened(backend)).get_large("film") == b"old" * 3 * MIB


async def test_writings_of_one_flush_leave_one(backend: Watched) -> None:
    """Also through a transaction that began before another one of the same key landed."""
    storage = await opened(backend)
    async with storage.transaction() as txn:
        txn.put_large("film", bytes(9 * MIB))
        txn.put_large("film", bytes(6 * MIB))
    storage.put_large("film", b"last")
    await storage.sync()
    assert (await storage.size()).keys == 2
    assert await storage.get_large("film") == b"last"
    assert storage.delete_large("film")
    await storage.sync()
    assert (await storage.size()).keys == 0


async def test_a_key_that_looks_like_a_piece_is_not_taken_for_one(backend: Watched) -> None:
    """Names of large values may hold anything."""
    storage = await opened(backend)
    keys = ["a", "a\0", "a\x001.0.00", "a\x001", "a\x01", ""]
    for key in keys:
        storage.put_large(key, key)
        await storage.sync()
    storage.put_large("a", "new")
    storage.delete_large("")
    await storage.sync()
    storage = await opened(backend)
    assert [await storage.get_large(key) for key in keys] == ["new", *keys[1:-1], None]


async def test_a_delete_all_before_it_keeps_it_whole(backend: Watched) -> None:
    """Then all of it is one commit, as slices before would be deleted with the rest."""
    storage = await opened(backend)
    storage.put("old", 1)
    await storage.sync()
    storage.delete_all()
    storage.put_large("film", bytes(6 * MIB))
    await storage.sync()
    storage = await opened(backend)
    assert len(await storage.get_large("film")) == 6 * MIB
    assert await storage.list() == {}


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[RedisBackend]:
    """A real server."""
    backend = RedisBackend(RedisConnection(valkey_url))
    yield backend
    await backend.close()


@pytest.mark.timeout(120)
async def test_others_are_answered_while_a_large_value_is_on_its_way(valkey: RedisBackend) -> None:
    """Between two slices: a server that is given all of it at once answers nobody meanwhile."""
    film = OwnedStorage(valkey, await valkey.claim("a", owner="o", address=""))
    chat = OwnedStorage(valkey, await valkey.claim("b", owner="o", address=""))
    film.put_large("film", bytes(64 * MIB))
    on_its_way = asyncio.ensure_future(film.sync())
    flushes = 0
    while not on_its_way.done():
        chat.put("n", flushes)
        await chat.sync()
        flushes += 1
    await on_its_way
    assert flushes > 64 * MIB / SLICE_BYTES_MAX / 2


@pytest.mark.timeout(120)
async def test_what_was_accepted_before_the_buffer_was_full_becomes_durable(
    valkey: RedisBackend,
) -> None:
    """The refusal is for the caller alone: the flush is not more than the connection takes."""
    storage = OwnedStorage(valkey, await valkey.claim("a", owner="o", address=""))
    accepted = 0

    def put_on() -> None:
        nonlocal accepted
        while True:
            storage.put(f"{accepted:04}", bytes(130_000))
            accepted += 1

    with pytest.raises(WriteBufferFull, match="await the writes"):
        put_on()
    await storage.sync()
    assert accepted > 200
    assert (await storage.size()).keys == accepted


async def test_a_large_value_may_have_64_mib_and_what_encoding_adds(backend: Watched) -> None:
    """1,023 bytes more, and one byte that says what it is, are the most that `put_large` takes."""
    storage = await opened(backend)
    with pytest.raises(ValueTooLarge, match="67,109,889 bytes encoded, the most is 67,109,888"):
        storage.put_large("film", bytes(64 * MIB + 1024))
    storage.put_large("film", bytes(64 * MIB + 1023))
    assert len(await storage.get_large("film")) == 64 * MIB + 1023


async def test_large_values_do_not_leave_keys_without_room(backend: Watched) -> None:
    """Each has a limit of its own; beyond it, writing the next one is refused."""
    storage = await opened(backend)
    storage.put_large("film", bytes(64 * MIB))
    storage.put("title", "Metropolis")
    with pytest.raises(WriteBufferFull):
        storage.put_large("other", b"small")
    async with storage.transaction() as txn:
        txn.put("year", 1927)
    await storage.sync()
    assert await storage.keys() == ["title", "year"]


async def test_a_value_of_an_earlier_build_is_read_and_replaced(backend: Watched) -> None:
    """Its pieces had names without a writing; none of them is left behind."""
    storage = await opened(backend)
    data = encode(b"early" * 1000)
    pieces = {"\U0010fffffilm\x0000": data[:3000], "\U0010fffffilm\x0001": data[3000:]}
    head = struct.pack(">IQ", 2, len(data))
    storage._space.write({"\U0010fffffilm\0": head, **pieces}, confirm=True)
    storage._space.cache.dirty_large.clear()
    storage = await reopened(backend, storage)
    assert await storage.get_large("film") == b"early" * 1000
    storage.put_large("film", b"new")
    storage = await reopened(backend, storage)
    assert await storage.get_large("film") == b"new"
    assert (await storage.size()).keys == 2


async def reopened(backend: MemoryBackend, storage: OwnedStorage) -> OwnedStorage:
    """The space, opened anew."""
    await storage.sync()
    return await opened(backend)
