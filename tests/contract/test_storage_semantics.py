"""What a room may rely on, the same on every backend and with any state of the cache."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from datetime import UTC, datetime, timedelta, timezone

import pytest
from parlour.storage import (
    DataCloneError,
    InvalidKey,
    KeyTooLarge,
    OwnedStorage,
    StorageClosed,
    StorageLimits,
    StorageReset,
    TooManyKeys,
    ValueTooLarge,
)

from .conftest import BackendMaker, Place

KEYS = [f"key{number:03}" for number in range(60)]


async def filled(place: Place) -> OwnedStorage:
    """A space with 60 keys over several shards, opened from what is durable."""
    storage = await place.open()
    storage.put({key: number for number, key in enumerate(KEYS)})
    return await place.reopen(storage)


# get


async def test_a_missing_key_reads_as_the_default(storage: OwnedStorage) -> None:
    """`get` of a key that was never put is None, or what the caller wants instead."""
    assert await storage.get("nothing") is None
    assert await storage.get("nothing", 7) == 7


async def test_none_is_a_value(place: Place, storage: OwnedStorage) -> None:
    """A stored None is not the default."""
    storage.put("nothing", None)
    assert await storage.get("nothing", 7) is None
    storage = await place.reopen(storage)
    assert await storage.get("nothing", 7) is None
    assert await storage.list() == {"nothing": None}


async def test_get_of_several_is_in_key_order_without_the_missing(place: Place) -> None:
    """The order is that of the keys, not of the question; what is missing is left out."""
    storage = await filled(place)
    storage.put("key0005", "new")
    found = await storage.get(["key050", "missing", "key000", "key0005"])
    assert list(found.items()) == [("key000", 0), ("key0005", "new"), ("key050", 50)]


async def test_each_get_returns_a_fresh_copy(place: Place, storage: OwnedStorage) -> None:
    """Changing what was put, or what was got, changes nothing that is stored."""
    value = {"names": ["ann"]}
    storage.put("value", value)
    value["names"].append("bob")
    (await storage.get("value"))["names"].append("eve")
    assert await storage.get("value") == {"names": ["ann"]}
    storage = await place.reopen(storage)
    assert await storage.get("value") == {"names": ["ann"]}


async def test_a_read_is_the_state_at_its_call(place: Place) -> None:
    """What is written between the call and the await does not show, as it did not exist."""
    storage = await filled(place)
    one = storage.get("key001")
    many = storage.get(["key002", "key003"])
    some = storage.list(prefix="key00", limit=3)
    names = storage.keys(start="key057")
    storage.put("key001", "later")
    storage.delete(["key002", "key000", "key059"])
    await storage.sync()
    storage.delete_all()
    await storage.sync()
    assert await one == 1
    assert await many == {"key002": 2, "key003": 3}
    assert await some == {"key000": 0, "key001": 1, "key002": 2}
    assert await names == ["key057", "key058", "key059"]


# put


async def test_a_write_counts_from_the_call_on(storage: OwnedStorage) -> None:
    """Neither an await nor a turn of the loop is needed for a later read to see it."""
    storage.put("n", 1)
    assert await storage.get("n") == 1
    await storage.put("n", 2)
    assert await storage.get("n") == 2


async def test_writes_that_nobody_awaits_give_no_warning(place: Place) -> None:
    """`storage.put("n", 1)` alone is complete, and so is every other call."""
    storage = await filled(place)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        storage.put("n", 1)
        storage.put_large("n", b"x")
        storage.delete("key001")
        storage.delete(["key002"])
        storage.delete_large("none")
        storage.set_alarm(time.time() + 60)
        storage.get("key003")
        storage.list(limit=2)
        storage.delete_alarm()
        storage.delete_all()
        gc.collect()
        await storage.sync()


async def test_put_of_a_mapping_is_all_or_nothing(storage: OwnedStorage) -> None:
    """One refused value refuses the pairs beside it too."""
    with pytest.raises(DataCloneError, match=r"^bad: function is not storable"):
        storage.put({"good": 1, "bad": lambda: None})
    assert await storage.list() == {}
    storage.put({"b": 2, "a": 1})
    assert list(await storage.list()) == ["a", "b"]


async def test_put_of_nothing_is_fine(storage: OwnedStorage) -> None:
    """An empty mapping stores nothing."""
    await storage.put({})
    assert await storage.list() == {}


@pytest.mark.parametrize("arguments", [("key",), ({"a": 1}, 2)])
async def test_put_takes_a_pair_or_a_mapping(storage: OwnedStorage, arguments: tuple[str]) -> None:
    """Anything else is a mistake and says how to call it."""
    with pytest.raises(TypeError, match=r"put\(\)"):
        storage.put(*arguments)  # type: ignore[call-overload]


async def test_writes_without_an_await_between_them_are_one_flush(storage: OwnedStorage) -> None:
    """However many there are, they take one number and become durable together."""
    before = storage.durable
    storage.put("a", 1)
    storage.delete("b")
    storage.put({"c": 3})
    storage.set_alarm(time.time() + 60)
    assert storage.gate == before + 1
    await storage.sync()
    assert storage.durable == before + 1


async def test_unconfirmed_writes_do_not_shut_the_gate(storage: OwnedStorage) -> None:
    """They are flushed as others are; only nothing waits for them."""
    before = storage.gate
    storage.put("seen", 1, allow_unconfirmed=True)
    storage.delete("seen", allow_unconfirmed=True)
    assert storage.gate == before
    await storage.sync()
    assert storage.durable == before + 1
    storage.put("careless", 1, allow_unconfirmed=True)
    storage.put("careful", 1)
    assert storage.gate == before + 2


# delete


async def test_delete_tells_whether_the_key_existed(place: Place) -> None:
    """True once, then False; for several keys how many."""
    storage = await filled(place)
    assert await storage.delete("key001") is True
    assert await storage.delete("key001") is False
    assert await storage.delete("missing") is False
    storage.put("new", 1)
    assert await storage.delete(["key000", "key001", "key002", "new", "missing"]) == 3
    assert await storage.get("key000") is None


async def test_delete_counts_at_once_and_answers_later(place: Place) -> None:
    """Its answer is about the moment of the call, whenever that is awaited."""
    storage = await filled(place)
    existed = storage.delete("key001")
    missed = storage.delete("missing")
    storage.put("key001", "again")
    storage.put("missing", "now there")
    await storage.sync()
    assert await existed is True
    assert await missed is False
    assert await storage.get(["key001", "missing"]) == {"key001": "again", "missing": "now there"}


async def test_delete_all_leaves_nothing(place: Place) -> None:
    """Keys, large values and the alarm are gone, and what is written after it stays."""
    storage = await filled(place)
    storage.put_large("large", bytes(5000))
    storage.set_alarm(time.time() + 60)
    storage.put("before", 1)
    storage.delete_all()
    storage.put("after", 2)
    for _ in ("before the flush", "after it"):
        assert await storage.list() == {"after": 2}
        assert await storage.get("before") is None
        assert await storage.get("key001") is None
        assert await storage.get_large("large") is None
        assert await storage.get_alarm() is None
        assert await storage.size() == (1, len("after") + 1)
    storage = await place.reopen(storage)
    assert await storage.list() == {"after": 2}


# list and keys


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, KEYS),
        ({"start": "key010", "end": "key013"}, KEYS[10:13]),
        ({"start_after": "key010", "end": "key013"}, KEYS[11:13]),
        ({"start": "key0105", "limit": 2}, KEYS[11:13]),
        ({"prefix": "key01"}, KEYS[10:20]),
        ({"prefix": ""}, KEYS),
        ({"prefix": "key01", "start": "key005", "end": "key012"}, KEYS[10:12]),
        ({"prefix": "key01", "start": "key017", "end": "key03"}, KEYS[17:20]),
        ({"reverse": True, "limit": 3}, KEYS[:-4:-1]),
        ({"reverse": True, "start": "key010", "end": "key030"}, KEYS[29:9:-1]),
        ({"reverse": True, "start": "key010", "end": "key030", "limit": 15}, KEYS[29:14:-1]),
        ({"reverse": True, "prefix": "key02", "limit": 1}, ["key029"]),
        ({"limit": 1}, ["key000"]),
        ({"limit": 59}, KEYS[:59]),
        ({"limit": 1000}, KEYS),
        ({"start": "key020", "end": "key020"}, []),
        ({"start": "key020", "end": "key010"}, []),
        ({"start": "zzz"}, []),
        ({"end": ""}, []),
        ({"prefix": "none"}, []),
        ({"prefix": "key9", "start": "key0", "end": "key1"}, []),
    ],
    ids=str,
)
async def test_ranges(place: Place, arguments: dict[str, object], expected: list[str]) -> None:
    """Bounds, prefix, direction and limit combine as they read, for values and for names."""
    storage = await filled(place)
    listed = await storage.list(**arguments)  # type: ignore[arg-type]
    assert list(listed) == expected
    assert list(listed.values()) == [KEYS.index(key) for key in expected]
    assert await storage.keys(**arguments) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("reverse", [False, True])
async def test_a_list_shows_what_is_not_flushed(place: Place, reverse: bool) -> None:
    """New, changed and deleted keys show at once, and a limit counts what remains."""
    storage = await filled(place)
    storage.delete(KEYS[10:20])
    storage.put({"key005": "changed", "key0055": "new"})
    await storage.sync()
    storage.delete(KEYS[22:40])
    storage.put({"key023": "again", "key0205": "new"})
    expected: dict[str, object] = {key: number for number, key in enumerate(KEYS)}
    for key in (*KEYS[10:20], *KEYS[22:40]):
        del expected[key]
    expected |= {"key005": "changed", "key0055": "new", "key023": "again", "key0205": "new"}
    ordered = sorted(expected, reverse=reverse)
    assert list(await storage.list(reverse=reverse)) == ordered
    assert await storage.list() == expected
    for limit in (1, 5, 20, 32, 33, 34, 100):
        assert list(await storage.list(limit=limit, reverse=reverse)) == ordered[:limit]
        assert await storage.keys(limit=limit, reverse=reverse) == ordered[:limit]


async def test_keys_order_as_their_utf8_bytes(place: Place, storage: OwnedStorage) -> None:
    """That is the order of code points, unlike that of UTF-16."""
    names = ["", "Z", "a", "a\0", "a\x01", "aa", "z", "é", "ｚ", "\ud7ff", "\ue000", "\uffff", "😀"]
    names.append("\U0010fffe")
    storage.put({name: number for number, name in enumerate(names)})
    expected = sorted(names, key=str.encode)
    assert list(await storage.list()) == expected
    storage = await place.reopen(storage)
    assert list(await storage.list()) == expected
    assert await storage.keys(reverse=True) == expected[::-1]
    assert await storage.keys(prefix="\ud7ff") == ["\ud7ff"]
    assert await storage.keys(start_after="a") == expected[3:]
    assert await storage.keys(prefix="\U0010ffff") == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"start": "a", "start_after": "b"}, ValueError, "start"),
        ({"limit": 0}, ValueError, "limit must be positive, not 0"),
        ({"limit": -1}, ValueError, "limit must be positive"),
        ({"limit": 1.5}, TypeError, "limit must be an integer, not float"),
        ({"prefix": b"a"}, TypeError, "prefix must be a string, not bytes"),
    ],
    ids=str,
)
async def test_ranges_that_make_no_sense_are_refused(
    storage: OwnedStorage, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    """The error says which argument."""
    with pytest.raises(error, match=message):
        storage.list(**arguments)  # type: ignore[arg-type]
    with pytest.raises(error, match=message):
        storage.keys(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("page", [1, 7, 60, 128])
async def test_a_scan_passes_every_key_once(place: Place, page: int) -> None:
    """Upwards and downwards, whatever the page."""
    storage = await filled(place)
    storage.delete("key030")
    expected = [(key, number) for number, key in enumerate(KEYS) if key != "key030"]
    assert [item async for item in storage.scan(page=page)] == expected
    assert [item async for item in storage.scan(page=page, reverse=True)] == expected[::-1]
    part = [key async for key, _ in storage.scan(page=page, prefix="key01", start_after="key011")]
    assert part == KEYS[12:20]


async def test_a_scan_shows_what_is_written_ahead_of_it(place: Place) -> None:
    """And not what is written behind it; deleting what was passed is fine."""
    storage = await filled(place)
    passed = []
    async for key, _ in storage.scan(page=5):
        passed.append(key)
        storage.delete(key)
        if key == "key020":
            storage.put({"key000": "behind", "key0595": "ahead"})
    assert passed == [*KEYS, "key0595"]
    assert await storage.list() == {"key000": "behind"}


# size


async def test_size_counts_keys_and_bytes_exactly(place: Place) -> None:
    """After overwriting, deleting and splitting; bytes are those of keys and encoded values."""
    storage = await filled(place)
    assert await storage.size() == (60, 60 * 6 + 60)
    storage.put("key000", bytes(1000))
    assert await storage.size() == (60, 60 * 6 + 59 + 1001)
    storage.delete(KEYS[:30])
    assert await storage.size() == (30, 30 * 7)
    storage.put("é", 1)
    storage = await place.reopen(storage)
    assert await storage.size() == (31, 30 * 7 + 3)


# limits


async def test_a_key_may_have_2048_bytes(storage: OwnedStorage) -> None:
    """Counted in UTF-8; one more is refused with both numbers."""
    for key in ("k" * 2048, "é" * 1024, "😀" * 512):
        storage.put(key, 1)
        assert await storage.get(key) == 1
    for key in ("k" * 2049, "é" * 1024 + "k", "😀" * 513):
        for call in (storage.get, storage.delete, lambda key: storage.put(key, 1)):
            with pytest.raises(KeyTooLarge, match="UTF-8 bytes, a key has at most 2,048") as error:
                call(key)
            assert (error.value.size_bytes, error.value.size_bytes_max) == (len(key.encode()), 2048)


async def test_a_value_may_have_131072_bytes_encoded(place: Place, storage: OwnedStorage) -> None:
    """One more is refused with both numbers, and nothing is stored."""
    largest = bytes(131_071)  # and one byte that says what it is
    storage.put("value", largest)
    storage.put("text", "\u00fc" * 65_535 + "u")
    for more in (bytes(131_072), "u" * 131_072, "\u00fc" * 65_536):
        with pytest.raises(ValueTooLarge, match="131,073 bytes encoded, the most is 131,072"):
            storage.put("value", more)
    storage = await place.reopen(storage)
    assert await storage.get("value") == largest


async def test_a_call_may_have_128_keys(storage: OwnedStorage) -> None:
    """One more is refused with both numbers."""
    names = [str(number) for number in range(129)]
    storage.put(dict.fromkeys(names[:128], 1))
    assert len(await storage.get(names[:128])) == 128
    calls = (storage.get, storage.delete, lambda keys: storage.put(dict.fromkeys(keys, 2)))
    for call in calls:
        with pytest.raises(TooManyKeys, match="129 keys in one call, the most is 128"):
            call(names)
    assert await storage.delete(names[:128]) == 128


@pytest.mark.parametrize("key", [1, None, b"bytes", "\ud800", "\U0010ffffmine"], ids=ascii)
async def test_what_is_no_key_is_refused(storage: OwnedStorage, key: str) -> None:
    """Keys are text."""
    for call in (storage.delete, lambda key: storage.put({key: 1})):
        with pytest.raises(InvalidKey):
            call([key] if call == storage.delete else key)
    with pytest.raises(InvalidKey):
        storage.get([key])


async def test_the_empty_key_is_a_key(place: Place, storage: OwnedStorage) -> None:
    """It comes first."""
    storage.put({"": "empty", "a": 1})
    storage = await place.reopen(storage)
    assert await storage.get("") == "empty"
    assert list(await storage.list()) == ["", "a"]
    assert await storage.delete("") is True
    storage = await place.reopen(storage)
    assert await storage.list() == {"a": 1}


# alarms


async def test_the_alarm_is_one_time(place: Place, storage: OwnedStorage) -> None:
    """Set replaces; a datetime of any zone and seconds mean the same instant, in milliseconds."""
    assert await storage.get_alarm() is None
    due = datetime(2100, 1, 1, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
    for when in (due, due.timestamp(), due.astimezone().replace(tzinfo=None)):
        storage.set_alarm(when)
        assert await storage.get_alarm() == due.replace(microsecond=123_000)
    storage = await place.reopen(storage)
    assert await storage.get_alarm() == datetime(2100, 1, 1, 10, 0, 0, 123_000, tzinfo=UTC)
    storage.delete_alarm()
    assert await storage.get_alarm() is None
    storage = await place.reopen(storage)
    assert await storage.get_alarm() is None


@pytest.mark.parametrize("when", [0, -1, float("nan"), datetime(1969, 1, 1, tzinfo=UTC)], ids=str)
async def test_an_alarm_is_after_the_epoch(storage: OwnedStorage, when: float) -> None:
    """A time before 1970 is a mistake."""
    with pytest.raises(ValueError, match="time after 1970"):
        storage.set_alarm(when)


# large values


@pytest.mark.parametrize("size_bytes", [0, 1, 131_072, 2**20 - 5, 2**20, 5 * 2**20 + 1])
async def test_large_values_come_back(place: Place, storage: OwnedStorage, size_bytes: int) -> None:
    """Of any size, before and after they are durable, as bytes or inside other values."""
    value = {"name": "large", "bytes": bytes(range(256)) * (size_bytes // 256 + 1)}
    storage.put_large("raw", bytes(size_bytes))
    storage.put_large("value", value)
    assert await storage.get_large("value") == value
    storage = await place.reopen(storage)
    assert await storage.get_large("raw") == bytes(size_bytes)
    assert await storage.get_large("value") == value
    assert await storage.get_large("missing", 7) == 7


async def test_a_shorter_large_value_leaves_no_tail(place: Place, storage: OwnedStorage) -> None:
    """After overwriting and deleting, what is stored is what one sees."""
    storage.put_large("value", bytes(6 * 2**20))
    storage = await place.reopen(storage)
    storage.put_large("value", b"short")
    assert await storage.get_large("value") == b"short"
    storage = await place.reopen(storage)
    assert (await storage.size()).keys == 2
    assert await storage.get_large("value") == b"short"
    assert await storage.delete_large("value") is True
    assert await storage.delete_large("value") is False
    assert await storage.get_large("value") is None
    assert await storage.size() == (0, 0)


async def test_large_values_have_names_of_their_own(place: Place, storage: OwnedStorage) -> None:
    """Neither list nor get nor delete meets them."""
    storage.put_large("value", bytes(3 * 2**20))
    storage.put("value", "small")
    storage = await place.reopen(storage)
    assert await storage.list() == {"value": "small"}
    assert await storage.keys(reverse=True) == ["value"]
    assert await storage.delete("value") is True
    assert await storage.get_large("value") == bytes(3 * 2**20)


async def test_large_values_have_a_limit(storage: OwnedStorage) -> None:
    """64 MiB of bytes fit, more is refused."""
    with pytest.raises(ValueTooLarge, match="split it over several keys"):
        storage.put_large("value", bytes(65 * 2**20))
    assert await storage.get_large("value") is None


# life


async def test_sync_waits_for_what_was_written(place: Place, storage: OwnedStorage) -> None:
    """Then another owner sees it."""
    storage.put("n", 1)
    await storage.sync()
    assert storage.durable >= storage.gate
    other = await place.open()
    assert await other.get("n") == 1


async def test_sync_with_nothing_written_returns(storage: OwnedStorage) -> None:
    """There is nothing to wait for."""
    await storage.sync()


async def test_close_flushes_and_refuses_use(place: Place, storage: OwnedStorage) -> None:
    """What was written before is durable, later calls say why they are refused."""
    storage.put("n", 1)
    await storage.close()
    calls = (
        lambda: storage.get("n"),
        lambda: storage.put("n", 2),
        lambda: storage.delete("n"),
        lambda: storage.list(),
        lambda: storage.transaction(),
    )
    for call in calls:
        with pytest.raises(StorageClosed, match="hibernates"):
            call()
    assert await (await place.open()).get("n") == 1


async def test_abandon_drops_what_is_pending_and_refuses_use(
    place: Place, storage: OwnedStorage
) -> None:
    """What was durable stays; nothing else does."""
    storage.put("n", 1)
    await storage.sync()
    storage.put("n", 2)
    pending = asyncio.ensure_future(storage.sync())
    storage.abandon()
    with pytest.raises(StorageReset):
        await pending
    with pytest.raises(StorageReset):
        storage.get("n")
    assert await (await place.open()).get("n") == 1


async def test_awaiting_a_write_waits_for_room_in_the_buffer(make_backend: BackendMaker) -> None:
    """Above the limit it waits until flushes have made room, below it for nothing at all."""
    limits = StorageLimits(dirty_bytes_max=100_000)
    place = Place(make_backend(limits), limits)
    storage = await place.open()
    for number in range(10):
        await storage.put(f"key{number}", bytes(50_000))
    other = await place.open()
    assert len(await other.keys()) >= 9
