"""The states of a key in the cache, and its limit."""

from __future__ import annotations

import random

from parlour.storage.cache import ENTRY_BYTES, UNKNOWN, Cache, Known
from parlour.storage.key_range import KeyRange


def test_an_empty_cache_knows_nothing() -> None:
    """Unless it was told everything at the claim."""
    assert Cache(1000).lookup("a") is UNKNOWN
    assert Cache(1000, {"b": b"1"}).lookup("a") is None
    assert Cache(1000, {}).complete


def test_a_written_key_is_known_in_every_state() -> None:
    """Dirty, flushing and clean show the newest value."""
    cache = Cache(10_000)
    cache.write("a", b"1")
    assert cache.lookup("a") == b"1"
    assert cache.seal() == ({"a": b"1"}, False)
    assert cache.lookup("a") == b"1"
    cache.write("a", b"2")
    cache.write("b", None)
    assert cache.lookup("a") == b"2"
    cache.landed()
    assert cache.lookup("a") == b"2"
    assert cache.lookup("b") is None
    assert cache.seal() == ({"a": b"2", "b": None}, False)
    cache.landed()
    assert cache.lookup("a") == b"2"
    assert cache.lookup("b") is None


def test_dirty_and_flushing_entries_never_leave() -> None:
    """The limit counts what is also in Redis."""
    cache = Cache(0)
    cache.write("a", b"1")
    cache.seal()
    cache.write("b", b"2")
    assert (cache.lookup("a"), cache.lookup("b")) == (b"1", b"2")
    cache.landed()
    assert (cache.lookup("a"), cache.lookup("b")) == (UNKNOWN, b"2")


def test_the_least_recently_used_entry_leaves_first() -> None:
    """A lookup is a use."""
    cache = Cache(3 * (ENTRY_BYTES + 2))
    for key in "abc":
        cache.write(key, b"1")
    cache.seal()
    cache.landed()
    cache.lookup("a")
    cache.write("d", b"1")
    cache.seal()
    cache.landed()
    assert [cache.lookup(key) is UNKNOWN for key in "abcd"] == [False, True, False, False]


def test_a_cache_that_lost_an_entry_is_not_complete() -> None:
    """What is not there may exist after all."""
    cache = Cache(2 * (ENTRY_BYTES + 2), {"a": b"1", "b": b"1"})
    assert cache.complete
    cache.write("c", b"1")
    cache.seal()
    cache.landed()
    assert not cache.complete
    assert cache.lookup("z") is UNKNOWN


def test_one_entry_does_not_drive_out_all_others() -> None:
    """A very large one is not kept, and a read of very many neither."""
    cache = Cache(16_000, {"a": b"1"})
    cache.write("large", bytes(1001))
    cache.seal()
    cache.landed()
    assert cache.lookup("large") is UNKNOWN
    assert cache.lookup("a") == b"1"
    cache.remember({f"{number}": b"1" for number in range(100)}, checked=True)
    assert cache.lookup("50") is UNKNOWN
    cache.remember({f"{number}": b"1" for number in range(10)}, checked=True)
    assert cache.lookup("5") == b"1"


def test_what_was_read_does_not_replace_what_is_known() -> None:
    """It is older than anything that was written meanwhile."""
    cache = Cache(10_000)
    cache.write("flushing", b"new")
    cache.seal()
    cache.write("dirty", b"new")
    read: dict[str, Known] = {"flushing": b"old", "dirty": b"old", "other": b"old", "none": None}
    cache.remember(read, checked=True)
    assert cache.lookup("flushing") == cache.lookup("dirty") == b"new"
    cache.landed()
    assert cache.lookup("flushing") == cache.lookup("dirty") == b"new"
    assert cache.lookup("other") == b"old"
    assert cache.lookup("none") is None


def test_clearing_hides_everything_at_once() -> None:
    """Also what is on the wire; and then everything is known."""
    cache = Cache(10_000)
    cache.write("flushing", b"1")
    cache.seal()
    cache.write("dirty", b"1")
    cache.clear()
    cache.write("new", b"2")
    assert [cache.lookup(key) for key in ("flushing", "dirty", "any", "new")] == [None] * 3 + [b"2"]
    assert cache.names(KeyRange("", None)) == ["new"]
    cache.landed()
    assert cache.lookup("flushing") is None
    assert cache.seal() == ({"new": b"2"}, True)
    cache.landed()
    assert cache.seal() == ({}, False)


def test_knowing_every_key_that_exists_is_being_complete() -> None:
    """As many known keys as Redis holds, known absent ones not counted, make a complete cache."""
    cache = Cache(10_000)
    cache.remember({"a": b"1", "b": b"1", "none": None}, checked=True)
    cache.exist(3)
    assert not cache.complete
    cache.remember({"c": b"1"}, checked=True)
    cache.exist(3)
    assert cache.complete
    assert cache.names(KeyRange("", None)) == ["a", "b", "c"]
    assert cache.lookup("d") is None


def test_what_is_unflushed_does_not_make_a_cache_complete() -> None:
    """While a flush is pending Redis holds another number of keys than it will."""
    cache = Cache(10_000)
    cache.remember({"a": b"1"}, checked=True)
    cache.write("b", b"1")
    cache.seal()
    cache.exist(1)
    assert not cache.complete
    cache.landed()
    cache.exist(2)
    assert cache.complete


def test_names_are_the_existing_keys_in_order() -> None:
    """Kept up as keys come and go."""
    cache = Cache(10_000, {"b": b"1", "d": b"1"})
    assert cache.names(KeyRange("", None)) == ["b", "d"]
    cache.write("a", b"1")
    cache.write("c", b"1")
    cache.write("d", None)
    cache.write("b", b"2")
    cache.write("x", None)
    assert cache.names(KeyRange("", None)) == ["a", "b", "c"]
    assert cache.names(KeyRange("b", "c")) == ["b"]


def test_only_what_this_process_encoded_or_decoded_is_trusted() -> None:
    """What a claim or a read brought has to be checked once."""
    claimed = b"1"
    cache = Cache(10_000, {"claimed": claimed, "rewritten": b"1"})
    cache.write("rewritten", b"2")
    cache.complete = False
    cache.remember({"read": b"1"}, checked=False)
    assert [cache.trusted(key) for key in ("claimed", "read", "rewritten")] == [False, False, True]
    cache.checked("claimed", b"another value, as a transaction has one")
    assert not cache.trusted("claimed")
    cache.checked("claimed", claimed)
    assert cache.trusted("claimed")


def test_memory_is_counted_exactly() -> None:
    """After any history the counters equal the sums over what is there."""
    chance = random.Random(0)
    cache = Cache(4_000)
    in_flight = False
    for _ in range(5_000):
        key = str(chance.randrange(40))
        data = None if chance.random() < 0.2 else bytes(chance.randrange(200))
        match chance.randrange(8):
            case 0 if not in_flight:
                cache.seal()
                in_flight = True
            case 1 if in_flight:
                cache.landed()
                in_flight = False
            case 2:
                cache.remember({key: data}, checked=chance.random() < 0.5)
            case 3 if chance.random() < 0.02:
                cache.clear()
            case 4:
                cache.lookup(key)
            case _:
                cache.write(key, data)
        assert cache.clean_bytes == sum(map(_cost, cache._clean.items())) <= 4_000
        layers = (*cache._dirty.items(), *cache._flushing.items())
        assert cache.unflushed_bytes >= sum(map(_cost, layers))
        assert cache._unchecked <= cache._clean.keys()
        assert cache._absent_count == sum(data is None for data in cache._clean.values())
        assert not cache._clean.keys() & cache._dirty.keys()
    if in_flight:
        cache.landed()
    cache.seal()
    cache.landed()
    assert cache.unflushed_bytes == 0


def _cost(entry: tuple[str, Known]) -> int:
    key, data = entry
    return ENTRY_BYTES + len(key) + len(data or b"")
