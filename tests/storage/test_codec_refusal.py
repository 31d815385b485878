"""What is not storable is refused at the put, naming type, place and what to do instead."""

from __future__ import annotations

import enum
import io
import pickle
import re
import sys
from collections import Counter, OrderedDict, defaultdict, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from parlour.storage.codec import encode
from parlour.storage.codec_budget import PATTERN_WORK_MAX
from parlour.storage.errors import DataCloneError

PLAIN_DATA = "store plain data, for example a dict, list, str or number"


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    __slots__ = ()


class Berlin(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, moment: datetime | None) -> str:
        return "CET"


@dataclass
class Message:
    author: str


Point = namedtuple("Point", "x y")


def a_function() -> None:
    """Something that is not data."""


def refused(value: object) -> str:
    """The sentence that `encode` refuses `value` with."""
    with pytest.raises(DataCloneError) as caught:
        encode(value)
    return str(caught.value)


def test_the_path_leads_to_what_is_not_storable() -> None:
    """The example of the design: keys as attributes, positions in brackets."""
    value = {"messages": [{"author": "ann"}, {}, {}, {"text": "hi", "author": a_function}]}

    assert refused(value) == f"messages[3].author: function is not storable; {PLAIN_DATA}"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (a_function, "value"),
        ([0, a_function], "value[1]"),
        ((0, [a_function]), "value[1][0]"),
        ({"first name": a_function}, "value['first name']"),
        ({"a": {"if-none": a_function}}, "a['if-none']"),
        ({3: {None: a_function}}, "value[3][NoneType]"),
        ({(1, 2): a_function}, "value[tuple]"),
        ({10**5000: a_function}, "value[int]"),
        ({"x" * 200: a_function}, f"value['{'x' * 80}'...]"),
        ({"a": 1, ("b", a_function): 2}, "keys()[1][1]"),
        ({"tags": {a_function}}, "tags{}"),
        (frozenset([("x", a_function)]), "value{}[1]"),
        ({"error": ValueError("text", a_function)}, "error.args[1]"),
        ([datetime(2026, 1, 1, tzinfo=Berlin())], "value[0].tzinfo"),
    ],
)
def test_paths_read_like_python(value: object, path: str) -> None:
    """Each container has its own kind of step; the value itself is `value`."""
    assert refused(value).partition(":")[0] == path


def test_the_path_is_found_through_cycles_and_shared_parts() -> None:
    """The walk goes through every object once, however often it is met."""
    loop: list[Any] = []
    shared = [{"n": n} for n in range(100)]
    loop += [loop, shared, shared, {"back": loop, "in": (loop, [a_function])}]

    assert refused(loop).startswith("value[3].in[1][0]: function ")


def test_the_path_is_found_however_many_objects_come_before_it() -> None:
    """A list of two hundred thousand, one of them wrong."""
    value: list[Any] = [{"n": n} for n in range(200_000)]
    value[199_999]["n"] = a_function

    assert refused(value).startswith("value[199999].n: ")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (lambda: 1, f"function is not storable; {PLAIN_DATA}"),
        (len, f"builtin_function_or_method is not storable; {PLAIN_DATA}"),
        (int, f"type is not storable; {PLAIN_DATA}"),
        (sys, f"module is not storable; {PLAIN_DATA}"),
        (object(), f"object is not storable; {PLAIN_DATA}"),
        (1j, f"complex is not storable; {PLAIN_DATA}"),
        (range(3), f"range is not storable; {PLAIN_DATA}"),
        ((n for n in "ab"), f"generator is not storable; {PLAIN_DATA}"),
        (memoryview(b"x"), f"memoryview is not storable; {PLAIN_DATA}"),
        (pickle.PickleBuffer(b"x"), f"pickle.PickleBuffer is not storable; {PLAIN_DATA}"),
        (io.StringIO(), f"_io.StringIO is not storable; {PLAIN_DATA}"),
        (Ellipsis, f"ellipsis is not storable; {PLAIN_DATA}"),
        (iter([]), f"list_iterator is not storable; {PLAIN_DATA}"),
        (Path("x"), f"pathlib.PosixPath is not storable; {PLAIN_DATA}"),
        (Color.RED, f"{__name__}.Color is not storable; store its .value"),
        (Level.HIGH, f"{__name__}.Level is not storable; store its .value"),
        (Message("ann"), f"{__name__}.Message is not storable; store dataclasses.asdict() of it"),
        (
            Point(1, 2),
            f"{__name__}.Point is not storable; store plain data, for example tuple() of it",
        ),
        (
            Name("ann"),
            f"{__name__}.Name is not storable; store plain data, for example str() of it",
        ),
        (
            OrderedDict(),
            "collections.OrderedDict is not storable; store plain data, for example dict() of it",
        ),
        (
            defaultdict(int),
            "collections.defaultdict is not storable; store plain data, for example dict() of it",
        ),
        (
            Counter(),
            "collections.Counter is not storable; store plain data, for example dict() of it",
        ),
        (Berlin(), f"{__name__}.Berlin is not storable; {PLAIN_DATA}"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_the_sentence_names_the_type_and_what_to_store(value: object, sentence: str) -> None:
    """Only the exact types of the list are taken: a subclass would come back as something else."""
    assert refused({"it": value}) == f"it: {sentence}"


def test_a_zone_without_a_key_is_refused() -> None:
    """It could not be found again: only its name is stored."""
    rules = b"TZif" + bytes(1 + 15) + bytes(16) + (1).to_bytes(4, "big") + (4).to_bytes(4, "big")
    zone = ZoneInfo.from_file(io.BytesIO(rules + bytes(6) + b"UTC\0"))

    sentence = refused([datetime(2026, 1, 1, tzinfo=zone)])

    assert sentence == (
        "value[0].tzinfo: ZoneInfo without a key is not storable; use ZoneInfo(key)"
    )


def test_a_pattern_that_would_not_decode_is_refused() -> None:
    """Compiling is bounded when decoding, so it is bounded when encoding too."""
    long = re.compile("a" * (PATTERN_WORK_MAX + 1))
    wide = [re.compile(f"[{n}一-\uffff]") for n in range(200)]

    assert refused([long]).startswith("value[0]: re.Pattern is costly to compile; ")
    assert re.match(r"value\[\d\d\]: re.Pattern is one too many", refused(wide))


def test_too_deep_nesting_is_refused() -> None:
    """Where the interpreter would recurse too deep, the value is refused, and that limit named."""
    value: list[Any] = []
    for _ in range(5_000):
        value = [value]

    assert "nested too deeply for Python's recursion limit of 1,000" in refused(value)


def test_nesting_that_only_the_encoder_could_bear_is_refused() -> None:
    """With a raised recursion limit more could be encoded than will be decoded."""
    limit = sys.getrecursionlimit()
    value: list[Any] = []
    for _ in range(3_000):
        value = [value]
    sys.setrecursionlimit(10_000)
    try:
        assert "nested deeper than 2,000 levels" in refused(value)
        assert encode([[n, {"n": [n]}] for n in range(3_000)])
    finally:
        sys.setrecursionlimit(limit)


def test_an_exception_that_cannot_be_made_before_its_parts_cannot_contain_itself() -> None:
    """Exceptions that parse their arguments are made with them, so such a cycle has no start."""
    error = OSError()
    error.args = (1, ExceptionGroup("loop", [error]))

    assert "contains itself through an exception" in refused([error])


def test_encoding_goes_on_after_a_refusal() -> None:
    """A pickler that was interrupted is not used again."""
    before = encode({"a": [1, 2]})

    for _ in range(10):
        refused({"a": [1, a_function]})

    assert encode({"a": [1, 2]}) == before


def test_nothing_of_the_user_runs_while_encoding() -> None:
    """`__reduce__`, `__getstate__`, iteration: methods of a refused object are not called."""

    class Loud:
        def __reduce__(self) -> str:
            raise AssertionError("__reduce__ was called")

        def __getstate__(self) -> object:
            raise AssertionError("__getstate__ was called")

        def __iter__(self) -> Iterator[int]:
            raise AssertionError("__iter__ was called")

    class LoudError(ValueError):
        def __reduce__(self) -> str:
            raise AssertionError("__reduce__ was called")

    assert "Loud is not storable" in refused([Loud()])
    assert encode(LoudError("x")) == encode(ValueError("x"))


def test_a_named_zone_of_whole_minutes_keeps_its_own_name() -> None:
    """Unlike a subclass of tzinfo, every `timezone` is storable."""
    assert encode(timezone(timedelta(hours=1), "CET")) != encode(timezone(timedelta(hours=1)))
