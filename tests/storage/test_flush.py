"""Flushes as the room actor sees them: numbers, callbacks, progress, failure."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator

import pytest
from parlour.storage import (
    MemoryBackend,
    NotOwner,
    OwnedStorage,
    StorageError,
    StorageLimits,
    StorageReset,
    WriteBufferFull,
)

from ..support.fragile_backend import Delays, Fault, FragileBackend, turns

SPACE = "chat/lobby"


class Owner:
    """A storage with everything that is called back, noted."""

    def __init__(self, backend: FragileBackend) -> None:
        self.backend = backend
        self.progress: dict[str, int] = {}
        self.holders: dict[str, str] = {}
        self.durable: list[int] = []
        self.failed: list[StorageError] = []

    async def open(self, owner: str = "owner", limits: StorageLimits | None = None) -> OwnedStorage:
        self.claim = await self.backend.claim(SPACE, owner=owner, address="")
        self.storage = OwnedStorage(
            self.backend,
            self.claim,
            limits=limits,
            progress=lambda: self.progress,
            holders=lambda: self.holders,
            on_durable=lambda: self.durable.append(self.storage.durable),
            on_failed=self.failed.append,
        )
        return self.storage


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    owner = Owner(FragileBackend(MemoryBackend()))
    await owner.open()
    yield owner
    owner.storage.abandon()


async def test_the_gate_is_shut_from_the_write_until_it_is_durable(owner: Owner) -> None:
    """`gate` names the flush that carries the write, `durable` reaches it when it has landed."""
    storage = owner.storage
    assert storage.durable == storage.gate
    storage.put("a", 1)
    first = storage.gate
    assert storage.durable < first
    await turns(1)  # the first flush is sealed and on the wire
    storage.put("a", 2)
    assert storage.gate == first + 1
    await storage.sync()
    assert owner.durable == [first, first + 1]


async def test_what_is_written_during_a_flush_is_one_next_flush(owner: Owner) -> None:
    """However many turns of the loop it takes."""
    owner.backend.delays = Delays(commit_answer=50)
    storage = owner.storage
    before = storage.durable
    for number in range(30):
        storage.put("a", number)
        await turns(1)
    assert storage.gate == before + 2
    await storage.sync()
    assert storage.durable == before + 2


async def test_numbers_go_on_after_the_next_claim(owner: Owner) -> None:
    """They never start over."""
    owner.storage.put("a", 1)
    await owner.storage.close()
    durable = owner.storage.durable
    storage = await owner.open()
    assert storage.durable == storage.gate == durable
    assert owner.claim.flush_number == durable


async def test_progress_is_recorded_with_the_flush(owner: Owner) -> None:
    """As it is when the flush is sealed; what is not named stays, what is negative is forgotten."""
    owner.progress = {"gateway-1": 7, "gateway-2": 1}
    owner.storage.put("a", 1)
    await owner.storage.sync()
    owner.progress = {"gateway-1": 9}
    await owner.storage.sync()
    await owner.open()
    assert owner.claim.progress == {"gateway-1": 7, "gateway-2": 1}
    owner.progress = {"gateway-1": 9, "gateway-2": -1}
    owner.storage.put("a", 2)
    await owner.storage.close()
    await owner.open()
    assert owner.claim.progress == {"gateway-1": 9}


async def test_holders_are_recorded_with_a_flush_that_may_be_asked_for(owner: Owner) -> None:
    """What is told is what has changed; the gate is shut meanwhile, as for a write."""
    owner.holders = {"gateway-1": "/run/g1", "gateway-2": "/run/g2"}
    before = owner.storage.durable
    owner.storage.record_holders()
    assert owner.storage.gate == before + 1
    await owner.storage.sync()
    await owner.open()
    assert owner.claim.holders == owner.holders
    owner.holders = {"gateway-1": "", "gateway-2": "/run/moved"}
    owner.storage.put("a", 2)
    await owner.storage.close()
    await owner.open()
    assert owner.claim.holders == {"gateway-2": "/run/moved"}


@pytest.mark.parametrize("fault", [Fault.NOT_SENT, Fault.UNANSWERED])
async def test_a_flush_that_fails_for_good_ends_the_storage(owner: Owner, fault: Fault) -> None:
    """It is told once; nothing is durable after it, and every call says that it was reset."""
    storage = owner.storage
    storage.put("a", 1)
    await storage.sync()
    durable = storage.durable
    owner.backend.fault = fault
    owner.backend.delays = Delays(commit=3)
    storage.put("a", 2)
    await turns(1)
    storage.put("b", 2)
    with pytest.raises(StorageReset, match="a flush failed for good: no answer from the server"):
        await storage.sync()
    assert storage.durable == durable < storage.gate
    assert [type(error) for error in owner.failed] == [StorageReset]
    for call in (
        lambda: storage.get("a"),
        lambda: storage.put("a", 3),
        lambda: storage.delete_all(),
        lambda: storage.transaction(),
    ):
        with pytest.raises(StorageReset):
            call()
    with pytest.raises(StorageReset):
        await storage.close()
    found = await (await owner.open()).list()
    assert found == {"a": 2 if fault is Fault.UNANSWERED else 1}


async def test_an_owner_that_was_taken_over_learns_it_from_its_next_flush(owner: Owner) -> None:
    """`NotOwner` names both epochs."""
    old = owner.storage
    old.put("a", 1)
    await old.sync()
    await owner.open()
    old.put("a", 2)
    with pytest.raises(NotOwner, match="claimed with epoch 1 and the epoch is 2 now"):
        await old.sync()
    assert [type(error) for error in owner.failed] == [NotOwner]
    assert await owner.storage.get("a") == 1


async def test_a_lost_answer_is_not_noticed(owner: Owner) -> None:
    """The flush is recognised by its number, and what it did is learnt from the index."""
    owner.backend.fault = Fault.REPEATED
    storage = owner.storage
    storage.put({f"{number:03}": number for number in range(128)})
    storage.put({f"{number:03}": number for number in range(128, 256)})
    storage.put({f"{number:03}": number for number in range(256, 384)})
    await storage.sync()
    assert (await storage.size()).keys == 384
    assert owner.durable == [storage.durable]


async def test_reads_in_flight_when_a_flush_fails_fail_too(owner: Owner) -> None:
    """What they would tell is of a state that nobody vouches for."""
    limits = StorageLimits(cache_bytes_max=0)
    owner.claim.values = None
    storage = OwnedStorage(owner.backend, owner.claim, limits=limits)
    storage.put("a", 1)
    await storage.sync()
    owner.backend.delays = Delays(commit_answer=3, read_answer=9)
    owner.backend.fault = Fault.UNANSWERED
    storage.put("b", 1)
    await turns(1)
    reading = storage.get("a")
    with pytest.raises(StorageReset):
        await reading


async def test_unflushed_writes_have_a_limit(owner: Owner) -> None:
    """Who never awaits is told so before memory runs out."""
    storage = await owner.open(limits=StorageLimits(unflushed_bytes_max=10_000))
    for number in range(9):
        storage.put(f"{number}", bytes(1_000))
    with pytest.raises(WriteBufferFull, match="bytes wait to be flushed, the most is 10,000"):
        storage.put("more", 1)
    await storage.sync()
    storage.put("more", 1)
    async with storage.transaction() as txn:
        for number in range(9):
            txn.put(f"{number}", bytes(1_000))
        with pytest.raises(WriteBufferFull, match="end this one and write the rest in another"):
            txn.put("more", 2)
        txn.rollback()


async def test_what_a_transaction_writes_over_counts_once(owner: Owner) -> None:
    """As it does outside: only the last value is kept. What is deleted with all else, never."""
    storage = await owner.open(limits=StorageLimits(unflushed_bytes_max=10_000))
    async with storage.transaction() as txn:
        for number in range(100):
            txn.put("again", bytes([number]) * 1_000)
        for number in range(20):
            txn.put(f"{number}", bytes(1_000))
            txn.delete_all()
        txn.put("last", 1)
    assert await storage.list() == {"last": 1}


async def test_the_end_of_a_transaction_is_refused_behind_writes_nobody_awaited(
    owner: Owner,
) -> None:
    """Nothing of it is written then; the advice is that of the writes before it."""
    storage = await owner.open(limits=StorageLimits(unflushed_bytes_max=10_000))

    async def crowded_out() -> None:
        async with storage.transaction() as txn:
            txn.put("inside", 1)
            outside = contextvars.Context()
            for number in range(9):
                outside.run(storage.put, f"{number}", bytes(1_000))

    with pytest.raises(WriteBufferFull, match="await the writes"):
        await crowded_out()
    await storage.sync()
    assert len(await storage.keys()) == 9
