"""Calls that make no sense: what storage says, which is the same on every backend."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from parlour.storage import (
    DataCloneError,
    InvalidArgument,
    InvalidKey,
    OwnedStorage,
    StorageError,
    TransactionOpen,
    WrongThread,
)

Call = Callable[[Any], object]

MISTAKES: dict[str, tuple[Call, str]] = {
    "get(5)": (lambda s: s.get(5), "key 5 is int, keys are strings; use str"),
    "get(None)": (lambda s: s.get(None), "key None is NoneType, keys are strings; give a string"),
    "get(b'a')": (lambda s: s.get(b"a"), r"key b'a' is bytes, .*; use key.decode\(\)"),
    "get([['a']])": (lambda s: s.get([["a"]]), r"key \['a'\] is list, .*; give one string"),
    "get([], 1)": (lambda s: s.get(["a"], 1), r"get\(\) of several keys takes no default.*\.get"),
    "delete(5)": (lambda s: s.delete(5), "key 5 is int"),
    "put([...])": (lambda s: s.put([("a", 1)]), r"put\(\) takes .* mapping; .*given list"),
    "put(1, 1)": (lambda s: s.put(1, 1), "key 1 is int, keys are strings"),
    "put(surrogate)": (lambda s: s.put("a\ud800", 1), r"half a surrogate .*; decode it anew .*or"),
    "put(U+10FFFF)": (lambda s: s.put("\U0010ffff", 1), "for itself; put another character first"),
    "put({}, 1)": (lambda s: s.put({"a": 1}, 1), "given a mapping and a value"),
    "put({1: 1})": (lambda s: s.put({1: 1}), "key 1 is int"),
    "put('a')": (lambda s: s.put("a"), r"put\(\) needs a value"),
    "get_large([])": (lambda s: s.get_large(["a"]), r"key \['a'\] is list, .*; give one string"),
    "put_large(5)": (lambda s: s.put_large(5, 1), "key 5 is int"),
    "set_alarm('x')": (lambda s: s.set_alarm("x"), r"set_alarm\(\) takes a datetime .*'x'"),
    "set_alarm(None)": (lambda s: s.set_alarm(None), "given NoneType None; delete an alarm with"),
    "set_alarm(True)": (lambda s: s.set_alarm(True), "given bool True"),
    "set_alarm(400 digits)": (lambda s: s.set_alarm(10**400), "10000, not an int of 1,329 bits$"),
    "set_alarm(5000 digits)": (lambda s: s.set_alarm(-(10**5000)), "not an int of 16,610 bits$"),
    "set_alarm(Decimal)": (lambda s: s.set_alarm(Decimal("sNaN")), r"was given Decimal .*'sNaN'"),
    "set_alarm(nan)": (lambda s: s.set_alarm(math.nan), "before 10000, not nan$"),
    "set_alarm(ms)": (lambda s: s.set_alarm(1_790_000_000_000), "did you pass milliseconds"),
    "list('a')": (lambda s: s.list("a"), r"list\(\) takes its bounds by name, .*given 'a'"),
    "keys('a')": (lambda s: s.keys("a"), r"keys\(\) takes its bounds by name"),
    "scan('a')": (lambda s: s.scan("a"), r"scan\(\) takes its bounds by name"),
    "scan(page=0)": (lambda s: s.scan(page=0), r"scan\(\) page must be positive, not 0"),
    "scan(end=5)": (lambda s: s.scan(end=5), r"scan\(\) end must be a string, not int"),
    "list(prefix)": (lambda s: s.list(prefix="\ud800"), "as prefix and holds half a surrogate"),
}


@pytest.mark.parametrize(("call", "says"), MISTAKES.values(), ids=MISTAKES)
async def test_a_call_that_makes_no_sense_says_how_it_is_made(
    storage: OwnedStorage, call: Call, says: str
) -> None:
    """At the call, as a StorageError; nothing is written, in a transaction neither."""
    with pytest.raises(StorageError, match=says) as error:
        call(storage)
    assert isinstance(error.value, (InvalidKey, InvalidArgument))
    async with storage.transaction() as txn:
        with pytest.raises(StorageError, match=says):
            call(txn)
    assert (await storage.list(), await storage.get_alarm()) == ({}, None)


async def test_the_error_of_a_call_is_the_one_that_python_has_too(storage: OwnedStorage) -> None:
    """Who catches TypeError or ValueError for a wrong argument catches it."""
    for kind in (TypeError, ValueError, InvalidArgument):
        with pytest.raises(kind):
            storage.scan(page=0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: s.get(), r"^storage\.get\(\) missing"),
        (lambda s: s.list(Prefix="a"), r"^storage\.list\(\) got an unexpected"),
        (lambda s: s.set_alarm(), r"^storage\.set_alarm\(\) missing"),
    ],
)
async def test_what_python_itself_says_names_the_call_as_a_room_writes_it(
    storage: OwnedStorage, call: Call, says: str
) -> None:
    """No class is named that nobody has heard of."""
    with pytest.raises(TypeError, match=says):
        call(storage)


@pytest.mark.parametrize(
    ("pairs", "path"),
    [
        ({"evil": object()}, "evil"),
        ({"good": 1, "messages": [{"author": object()}]}, "messages[0].author"),
        ({"a/b": [object()]}, "['a/b'][0]"),
        ({"value": {"value": object()}}, "value.value"),
    ],
)
async def test_a_value_of_a_mapping_is_named_by_its_key(
    storage: OwnedStorage, pairs: dict[str, object], path: str
) -> None:
    """The path begins with it."""
    with pytest.raises(DataCloneError) as error:
        storage.put(pairs)
    assert error.value.path == path


async def test_a_value_of_a_mapping_that_is_too_deep_is_named_by_its_key(
    storage: OwnedStorage,
) -> None:
    """Where no path leads to it."""
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(DataCloneError, match="^deep: .*nested"):
        storage.put({"good": 1, "deep": deep})


async def test_what_is_durable_is_not_asked_inside_a_transaction(storage: OwnedStorage) -> None:
    """Its own writes are made at its end: `sync` there would promise what is not so."""
    async with storage.transaction() as txn:
        txn.put("a", 1)
        with pytest.raises(TransactionOpen, match=r"sync\(\) inside a transaction"):
            await storage.sync()
        with pytest.raises(TransactionOpen, match=r"size\(\) inside a transaction"):
            await storage.size()
    await storage.sync()
    assert (await storage.size()).keys == 1


async def test_a_bound_is_a_place_in_the_order_and_need_be_no_key(storage: OwnedStorage) -> None:
    """Longer than any key, or above all of them."""
    longest = "k" * 2048
    storage.put({longest: 1, "z": 2})
    assert await storage.keys(start=longest + "\0") == ["z"]
    assert await storage.keys(end="\U0010ffff") == [longest, "z"]
    assert await storage.keys(prefix=longest + "k") == []


async def test_a_thread_of_its_own_changes_nothing(storage: OwnedStorage) -> None:
    """The storage is the event loop's; what was written before, and what comes after, is stored."""
    storage.put("before", 1)
    with pytest.raises(WrongThread, match="in a thread of its own; use it in"):
        await asyncio.to_thread(storage.put, "beside", 2)
    storage.put("after", 3)
    await storage.sync()
    assert await storage.list() == {"after": 3, "before": 1}
