"""The codec gives back what it was given: types, values, identities; and in few bytes."""

from __future__ import annotations

import math
import re
import threading
import weakref
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from parlour.storage.codec import decode, encode

from ..support.storable_values import difference, graphs, leaves

BOTH_WAYS = pytest.mark.parametrize("trusted", [False, True], ids=["scanned", "trusted"])


@settings(max_examples=300, deadline=None)
@given(leaves)
def test_every_single_value_comes_back(value: object) -> None:
    """Type, value, NaN's bits, the sign of zero and the fold of a time survive, alone or inside."""
    for given_value in (value, [value]):
        data = encode(given_value)

        assert data
        assert not difference(given_value, decode(data))
        assert not difference(given_value, decode(data, trusted=True))


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_every_graph_comes_back_with_its_identities(value: object) -> None:
    """What was one object at several places is one object again, cycles included."""
    data = encode(value)

    assert not difference(value, decode(data))
    assert not difference(value, decode(data, trusted=True))


@BOTH_WAYS
def test_a_value_that_contains_itself_comes_back_containing_itself(trusted: bool) -> None:
    """Cycles through every container that can have one, and through an exception."""
    error = ValueError()
    loop: list[Any] = [error]
    loop += [loop, {"loop": loop}, (loop,), (loop, 1, 2, 3, loop)]
    error.args = (loop, error)
    error_set = {error}
    loop.append(error_set)

    again: Any = decode(encode(loop), trusted=trusted)

    assert again[1] is again
    assert again[2]["loop"] is again
    assert again[3][0] is again
    assert again[4][0] is again[4][4] is again
    assert again[0].args[0] is again
    assert again[0].args[1] is again[0]
    assert again[5] == {again[0]}


@BOTH_WAYS
def test_an_exception_group_may_be_inside_one_of_its_exceptions(trusted: bool) -> None:
    """Its exceptions are stored as the tuple that they are, whatever list it was made with."""
    error = ValueError()
    group = ExceptionGroup("loop", [error, OSError(2, "gone")])
    error.args = (group, [group])

    again: Any = decode(encode(group), trusted=trusted)

    assert again.exceptions[0].args[0] is again
    assert again.exceptions[0].args[1] == [again]


@BOTH_WAYS
def test_each_decoding_is_a_fresh_copy(trusted: bool) -> None:
    """Changing what was decoded, or what was encoded, changes nothing stored."""
    value = {"tags": ["a"], "raw": bytearray(b"x")}
    data = encode(value)
    value["tags"].append("later")  # type: ignore[attr-defined]

    first: Any = decode(data, trusted=trusted)
    first["tags"].append("b")

    assert decode(data, trusted=trusted) == {"tags": ["a"], "raw": bytearray(b"x")}


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, "00"),
        (False, "01"),
        (True, "02"),
        (0, "80"),
        (127, "ff"),
        (128, "038000"),
        (-1, "03ff"),
        (-129, "037fff"),
        (1.5, "043ff8000000000000"),
        ("", "05"),
        ("hé", "0568c3a9"),
        ("\ud800", "05eda080"),
        (b"", "06"),
        (b"\x00", "0600"),
        ([], "075d94"),
        ({"n": 3}, "077d948c016e944b0373"),
        ((1, 2), "074b014b028694"),
        (date(2026, 11, 23), "0868004b014a674a0b0086945294"),
        (time(15, 4), "0868004b028a050070e9411986945294"),
        (datetime(2026, 11, 23, 15, 4, 5), "0868004b038a088086a2cde341c60186945294"),
        (timedelta(days=1), "0868004b048a050060d71d1486945294"),
        (UTC, "0868004b054b0086945294"),
        (ZoneInfo("UTC"), "0868004b068c035554439486945294"),
        (Decimal("1.5"), "0868004b078c03312e359486945294"),
        (UUID(int=7), "0868004b0843" + "10" + "00" * 15 + "07" + "9486945294"),
        (re.compile("a"), "0868004b098c0161944b2087945294"),
        (KeyError(1), "0868004b0a8c084b65794572726f729486945294680168044b018594865230"),
    ],
)
def test_the_stored_form_never_changes(value: object, data: str) -> None:
    """Pinned bytes: what one version of Parlour stored, every later one must read."""
    assert encode(value).hex() == data
    assert not difference(value, decode(bytes.fromhex(data)))


def test_the_special_floats_are_what_they_were() -> None:
    """NaN is not equal to itself and -0.0 equals 0.0, so both are looked at."""
    nan: Any = decode(encode([math.nan]))
    zero: Any = decode(encode(-0.0))

    assert math.isnan(nan[0])
    assert math.copysign(1, zero) == -1
    assert decode(encode([math.inf, -math.inf])) == [math.inf, -math.inf]


@BOTH_WAYS
def test_time_zones_come_back_as_the_objects_they_are(trusted: bool) -> None:
    """UTC is the one UTC, a named zone the shared one, and times inside a value share theirs."""
    berlin = ZoneInfo("Europe/Berlin")
    named = timezone(timedelta(hours=1, microseconds=7), "home")
    times = [
        datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=1) for zone in (UTC, berlin, named, named)
    ]

    again: Any = decode(encode(times), trusted=trusted)

    assert [moment.fold for moment in again] == [1, 1, 1, 1]
    assert again[0].tzinfo is UTC
    assert again[1].tzinfo.key == "Europe/Berlin"
    assert again[1].utcoffset() == timedelta(hours=1)
    assert again[2].tzinfo.tzname(None) == "home"
    assert again[2].tzinfo is again[3].tzinfo


def test_a_decimal_does_not_depend_on_the_context_of_the_caller() -> None:
    """Precision, traps and capitals belong to the user's arithmetic, not to storage."""
    value = Decimal("1.23456789E+50")
    with localcontext() as context:
        context.prec, context.capitals = 2, 0
        data = encode(value)
        again = decode(data)

    assert repr(again) == repr(value)
    assert data == encode(value)


class OutOfStock(LookupError):
    """An exception of a room."""

    def __init__(self, item: str, left: int) -> None:
        super().__init__(item)
        self.left = left


class Unreachable(ConnectionResetError):
    """A subclass of a builtin that parses its arguments."""


def test_an_exception_of_ones_own_comes_back_as_its_nearest_builtin_base() -> None:
    """As structured clone does: the class goes, the arguments stay, attributes go."""
    error: Any = decode(encode(OutOfStock("tea", 3)))
    lost: Any = decode(encode(Unreachable(104, "reset", "name")))

    assert type(error) is LookupError
    assert error.args == ("tea",)
    assert not hasattr(error, "left")
    assert type(lost) is ConnectionResetError
    assert str(lost) == "[Errno 104] reset: 'name'"


@pytest.mark.parametrize(
    "error",
    [
        StopIteration(3),
        SystemExit(2),
        SystemExit(),
        ImportError("no module"),
        OSError(2, "No such file", "a.txt", None, "b.txt"),
        BlockingIOError(11, "again", 5),
        UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"),
        SyntaxError("bad", ("room.py", 3, 7, "x = = 1")),
        BaseExceptionGroup("both", [KeyboardInterrupt(), ValueError("x")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_builtin_exceptions_parse_from_their_arguments_is_there_again(
    error: BaseException,
) -> None:
    """Attributes such as `errno`, `code`, `start` and the text of the exception are the same."""
    again: Any = decode(encode(error))
    names = {name for name in dir(error) if not name.startswith("_")}

    assert type(again) is type(error)
    assert str(again) == str(error)
    for name in names - {"exceptions", "add_note", "derive", "split", "subgroup", "with_traceback"}:
        assert getattr(again, name, None) == getattr(error, name, None) or name == "args"


def test_an_exception_whose_arguments_were_spoilt_is_stored_as_a_base_that_holds_them() -> None:
    """A Unicode error without its five arguments could not be made again, a UnicodeError can."""
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "reason")
    error.args = ("something else",)

    again: Any = decode(encode(error))

    assert type(again) is UnicodeError
    assert again.args == ("something else",)


@pytest.mark.parametrize("size_bytes", [100, 65_530, 65_540, 200_000, 3_000_000])
@BOTH_WAYS
def test_large_parts_come_back(size_bytes: int, trusted: bool) -> None:
    """Beyond 64 KiB pickle writes several frames and large strings outside of them."""
    value = [
        bytes(size_bytes),
        "é" * (size_bytes // 2),
        bytearray(size_bytes),
        1 << size_bytes,
        UUID(int=7),
        [(n, str(n)) for n in range(size_bytes // 50)],
        Decimal("9" * size_bytes),
    ]

    assert decode(encode(value), trusted=trusted) == value


def test_nesting_goes_as_deep_as_the_interpreter_recurses() -> None:
    """Three hundred levels are no problem, whatever is nested."""
    value: object = "core"
    for level in range(300):
        value = [value] if level % 2 else {"in": value}

    depth = 0
    again: Any = decode(encode(value))
    while again != "core":
        again = again[0] if isinstance(again, list) else again["in"]
        depth += 1
    assert depth == 300


def test_threads_can_encode_at_the_same_time() -> None:
    """Picklers are reused, but never by two at a time."""
    values = [{"n": n, "at": datetime(2026, 1, 1, n % 24), "l": [*range(200)]} for n in range(50)]
    wrong: list[object] = []

    def work() -> None:
        for _ in range(20):
            wrong.extend(value for value in values if decode(encode(value)) != value)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_encoding_keeps_nothing_of_a_value_alive() -> None:
    """A pickler that is reused forgets its memo, which holds every object it has met."""
    error = OutOfStock("tea", 3)
    gone = weakref.ref(error)
    encode([error])

    del error
    assert gone() is None


def test_flags_of_a_pattern_come_back_and_debugging_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`re.DEBUG` would print at every decoding."""
    pattern = re.compile("a.b", re.IGNORECASE | re.DOTALL | re.DEBUG)
    capsys.readouterr()

    again = decode(encode(pattern))

    assert again == re.compile("a.b", re.IGNORECASE | re.DOTALL)
    assert capsys.readouterr().out == ""
