"""Transactions: whole or not at all, one after another, nested, and over when they are over."""

from __future__ import annotations

import asyncio
import time

import pytest
from parlour.storage import (
    InvalidKey,
    OwnedStorage,
    StorageReset,
    TransactionBusy,
    TransactionEnded,
)

from .conftest import Place


async def test_a_transaction_commits_at_its_end(place: Place, storage: OwnedStorage) -> None:
    """Inside the block its writes show, outside they do not; after it they are one flush."""
    storage.put({"a": 1, "b": 2})
    storage = await place.reopen(storage)
    flushes = storage.durable
    outside = asyncio.Event()
    looked = asyncio.Event()

    async def look() -> None:
        await outside.wait()
        assert await storage.list() == {"a": 1, "b": 2}
        assert storage.gate == flushes
        looked.set()

    looker = asyncio.create_task(look())
    async with storage.transaction() as txn:
        txn.put("a", 10)
        assert await txn.delete("b") is True
        txn.put("c", 3)
        txn.set_alarm(time.time() + 60)
        assert await txn.list() == {"a": 10, "c": 3}
        assert await txn.get(["a", "b", "c"]) == {"a": 10, "c": 3}
        assert await txn.keys(reverse=True, limit=1) == ["c"]
        outside.set()
        await looked.wait()
        assert await txn.get("a") == 10
    await looker
    assert storage.gate == flushes + 1
    assert await storage.list() == {"a": 10, "c": 3}
    storage = await place.reopen(storage)
    assert storage.durable == flushes + 1
    assert await storage.list() == {"a": 10, "c": 3}
    assert await storage.get_alarm() is not None


async def test_an_exception_undoes_it_and_goes_on(place: Place, storage: OwnedStorage) -> None:
    """Nothing of it is written, and the storage works on."""
    storage.put("a", 1)

    async def failing() -> None:
        async with storage.transaction() as txn:
            txn.put("a", 2)
            txn.put_large("large", bytes(5000))
            txn.set_alarm(time.time() + 60)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert await storage.list() == {"a": 1}
    assert await storage.get_large("large") is None
    assert await storage.get_alarm() is None
    storage = await place.reopen(storage)
    assert await storage.size() == (1, 2)


async def test_rollback_undoes_it_without_an_exception(storage: OwnedStorage) -> None:
    """The block goes on; calls on the transaction say that it is rolled back."""
    async with storage.transaction() as txn:
        txn.put("a", 1)
        txn.rollback()
        txn.rollback()
        with pytest.raises(TransactionEnded, match=r"get\(\) .* rolled back"):
            txn.get("a")
        with pytest.raises(TransactionEnded, match="rolled back"):
            txn.transaction()
        storage.put("b", 2)
    assert await storage.list() == {"b": 2}


async def test_use_after_the_end_is_an_error(storage: OwnedStorage) -> None:
    """Every call says that it has committed."""
    async with storage.transaction() as txn:
        txn.put("a", 1)
    for call in (
        lambda: txn.get("a"),
        lambda: txn.put("a", 2),
        lambda: txn.delete("a"),
        lambda: txn.delete_all(),
        lambda: txn.keys(),
        lambda: txn.get_alarm(),
        lambda: txn.rollback(),
    ):
        with pytest.raises(TransactionEnded, match="committed"):
            call()
    with pytest.raises(TransactionEnded):
        async with txn:
            pass
    assert await storage.get("a") == 1


async def test_a_transaction_is_used_in_its_block_only(storage: OwnedStorage) -> None:
    """Without `async with` it is not started."""
    with pytest.raises(TransactionEnded, match="not started"):
        storage.transaction().put("a", 1)


async def test_calls_on_the_storage_inside_the_block_belong_to_it(storage: OwnedStorage) -> None:
    """Also those of tasks that were started there."""

    async def failing() -> None:
        async with storage.transaction():
            storage.put("a", 1)
            await asyncio.create_task(_put(storage, "b"))
            assert await storage.keys() == ["a", "b"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert await storage.keys() == []


async def _put(storage: OwnedStorage, key: str) -> None:
    storage.put(key, 1)


async def test_other_storages_are_not_in_it(place: Place, storage: OwnedStorage) -> None:
    """A transaction is on one room's storage."""
    claim = await place.backend.claim("chat/other", owner="owner", address="")
    other = OwnedStorage(place.backend, claim, limits=place.limits)
    place.opened.append(other)

    async def failing() -> None:
        async with storage.transaction():
            async with other.transaction():
                other.put("inner", 1)
                storage.put("outer", 1)
            other.put("plain", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert await other.keys() == ["inner", "plain"]
    assert await storage.keys() == []


async def test_inner_transactions_are_part_of_the_outer_one(storage: OwnedStorage) -> None:
    """An inner rollback undoes the inner part alone, an outer one everything."""
    async with storage.transaction() as outer:
        outer.put("a", 1)
        async with outer.transaction() as inner:
            assert await inner.get("a") == 1
            inner.put("b", 2)
        assert await outer.get("b") == 2
        async with storage.transaction() as inner:
            inner.delete("a")
            assert await inner.get("a") is None
            assert await outer.get("a") == 1
            inner.rollback()
        assert await outer.get("a") == 1
    assert await storage.list() == {"a": 1, "b": 2}
    async with storage.transaction() as outer:
        async with outer.transaction() as inner:
            inner.put("c", 3)
        outer.rollback()
    assert await storage.list() == {"a": 1, "b": 2}


async def test_an_outer_transaction_waits_for_inner_ones(storage: OwnedStorage) -> None:
    """Rolling it back under one is an error, and an inner one does not outlive it."""
    async with storage.transaction() as outer, outer.transaction() as inner:
        with pytest.raises(TransactionBusy):
            outer.rollback()
        inner.put("a", 1)
    outer = storage.transaction()
    await outer.__aenter__()
    inner = outer.transaction()
    await inner.__aenter__()
    inner.put("late", 1)
    await outer.__aexit__(None, None, None)
    with pytest.raises(TransactionEnded, match="committed"):
        await inner.__aexit__(None, None, None)
    assert await storage.keys() == ["a"]


async def test_transactions_of_several_tasks_run_one_after_another(storage: OwnedStorage) -> None:
    """Read, change, write: none of a hundred increments is lost."""
    storage.put("n", 0)
    await storage.sync()

    async def increment() -> None:
        async with storage.transaction() as txn:
            n = await txn.get("n")
            await asyncio.sleep(0)
            txn.put("n", n + 1)

    await asyncio.gather(*(increment() for _ in range(100)))
    assert await storage.get("n") == 100


async def test_what_other_tasks_write_meanwhile_shows(storage: OwnedStorage) -> None:
    """Unless the transaction has written the key itself; then its commit wins."""
    go, gone = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        await go.wait()
        storage.put({"a": "task", "b": "task"})
        gone.set()

    task = asyncio.create_task(write())
    async with storage.transaction() as txn:
        txn.put("a", "txn")
        go.set()
        await gone.wait()
        assert await txn.list() == {"a": "txn", "b": "task"}
        assert await storage.list() == {"a": "txn", "b": "task"}
    await task
    assert await storage.list() == {"a": "txn", "b": "task"}


async def test_delete_all_inside_a_transaction(place: Place, storage: OwnedStorage) -> None:
    """It hides everything at once, is undone with the transaction, and commits with it."""
    storage.put({"a": 1, "b": 2})
    storage.set_alarm(time.time() + 60)
    storage = await place.reopen(storage)
    async with storage.transaction() as txn:
        txn.delete_all()
        txn.put("c", 3)
        assert await txn.list() == {"c": 3}
        assert await txn.get("a") is None
        assert await txn.get_alarm() is None
        txn.rollback()
    assert await storage.list() == {"a": 1, "b": 2}
    assert await storage.get_alarm() is not None
    async with storage.transaction() as txn:
        txn.put("d", 4)
        txn.delete_all()
        txn.put("c", 3)
    assert await storage.list() == {"c": 3}
    storage = await place.reopen(storage)
    assert await storage.list() == {"c": 3}
    assert await storage.get_alarm() is None


async def test_large_values_in_a_transaction(place: Place, storage: OwnedStorage) -> None:
    """They are buffered as all else."""
    storage.put_large("value", bytes(3 * 2**20))
    storage = await place.reopen(storage)
    async with storage.transaction() as txn:
        txn.put_large("value", b"short")
        assert await txn.get_large("value") == b"short"
        txn.rollback()
    assert await storage.get_large("value") == bytes(3 * 2**20)
    async with storage.transaction() as txn:
        assert await txn.delete_large("value") is True
        txn.put_large("other", b"1")
    assert await storage.get_large("value") is None
    storage = await place.reopen(storage)
    assert (await storage.size()).keys == 2


async def test_a_transaction_keeps_the_input_gate_shut(storage: OwnedStorage) -> None:
    """From its start to its end, however it ends."""
    assert storage.reads_pending == 0
    async with storage.transaction() as txn:
        assert storage.reads_pending > 0
        txn.rollback()
    assert storage.reads_pending == 0


async def test_unconfirmed_writes_in_a_transaction(storage: OwnedStorage) -> None:
    """It is confirmed unless all of its writes are unconfirmed."""
    before = storage.gate
    async with storage.transaction() as txn:
        txn.put("a", 1, allow_unconfirmed=True)
    assert storage.gate == before
    async with storage.transaction() as txn:
        txn.put("a", 1, allow_unconfirmed=True)
        txn.put("b", 1)
    assert storage.gate == before + 1


async def test_a_refused_call_leaves_the_transaction_open(storage: OwnedStorage) -> None:
    """Who catches the error goes on."""
    async with storage.transaction() as txn:
        txn.put("a", 1)
        with pytest.raises(InvalidKey):
            txn.put({"b": 1, 5: 2})  # type: ignore[dict-item]
    assert await storage.list() == {"a": 1}


async def test_a_transaction_on_storage_that_was_reset_fails(storage: OwnedStorage) -> None:
    """Its end raises, and nothing of it is written."""

    async def reset_inside() -> None:
        async with storage.transaction() as txn:
            txn.put("a", 1)
            storage.abandon()

    with pytest.raises(StorageReset):
        await reset_inside()
