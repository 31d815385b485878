"""Stored values as JSON for people, and what people write as values."""

from __future__ import annotations

import base64
import json
import math
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.storage import DecodeError, decode, encode
from parlour.storage.readable import LEVELS_SHOWN_MAX, NoValue, json_text, shown, value_of

from ..support.storable_values import difference, graphs, leaves


@given(st.one_of(leaves, graphs()))
def test_every_storable_value_can_be_shown(value: object) -> None:
    """As one printable line of JSON."""
    line = json_text(shown(encode(value)))
    assert line.isprintable()
    json.loads(line)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@given(_json)
def test_what_json_has_is_shown_and_read_back(value: object) -> None:
    """The same value, also where its dicts have keys that look like tags."""
    assert difference(value_of(json_text(shown(encode(value)))), decode(encode(value))) == ""


TAGGED: list[tuple[Any, Any]] = [
    (2**63, {"$int": "9223372036854775808"}),
    (-(2**20_000), {"$int": hex(-(2**20_000))}),
    (math.inf, {"$float": "inf"}),
    (b"hi", {"$bytes": "aGk="}),
    (bytearray(b"hi"), {"$bytearray": "aGk="}),
    ((1, (2,)), {"$tuple": [1, {"$tuple": [2]}]}),
    ({2, 1}, {"$set": [1, 2]}),
    (frozenset({"a"}), {"$frozenset": ["a"]}),
    ({1: "a", "b": 2}, {"$dict": [[1, "a"], ["b", 2]]}),
    ({"$set": [1]}, {"$dict": [["$set", [1]]]}),
    (date(2030, 1, 2), {"$date": "2030-01-02"}),
    (datetime(2030, 1, 2, 3, tzinfo=UTC), {"$datetime": "2030-01-02T03:00:00+00:00"}),
    (time(3, 4, 5, 6), {"$time": "03:04:05.000006"}),
    (timedelta(days=1, seconds=-1), {"$timedelta": [0, 86399, 0]}),
    (timezone(timedelta(hours=2)), {"$timezone": [0, 7200, 0]}),
    (ZoneInfo("Europe/Berlin"), {"$zone": "Europe/Berlin"}),
    (Decimal("1.50"), {"$decimal": "1.50"}),
    (UUID(int=7), {"$uuid": "00000000-0000-0000-0000-000000000007"}),
]


@pytest.mark.parametrize(("value", "tagged"), TAGGED, ids=lambda case: type(case).__name__)
def test_other_types_have_a_tag_that_is_read_back(value: Any, tagged: Any) -> None:
    """Of the same type and value."""
    assert shown(encode(value)) == tagged
    assert difference(value_of(json.dumps(tagged)), value) == ""


BERLIN = ZoneInfo("Europe/Berlin")
SHOWN_ONLY: list[tuple[Any, Any]] = [
    (
        datetime(2030, 1, 2, 3, fold=1, tzinfo=BERLIN),
        {"$datetime": "2030-01-02T03:00:00", "zone": "Europe/Berlin", "fold": 1},
    ),
    (re.compile(b"a", re.IGNORECASE), {"$pattern": {"$bytes": "YQ=="}, "flags": 2}),
    (KeyError("k", 1), {"$exception": "KeyError", "args": ["k", 1]}),
    (
        numpy.array([[1.5, math.nan]]),
        {"$array": [[1.5, {"$float": "nan"}]], "dtype": "<f8", "shape": [1, 2]},
    ),
    (numpy.array([1 + 2j]), {"$array": ["(1+2j)"], "dtype": "<c16", "shape": [1]}),
    (
        numpy.array("2030-01-01", "M8[D]"),
        {"$array": "2030-01-01", "dtype": "<M8[D]", "shape": []},
    ),
    (numpy.array([b"\xff"]), {"$array": [{"$bytes": "/w=="}], "dtype": "|S1", "shape": [1]}),
    (numpy.zeros(1001), {"$array": None, "dtype": "<f8", "shape": [1001]}),
]


@pytest.mark.parametrize(("value", "tagged"), SHOWN_ONLY, ids=lambda case: type(case).__name__)
def test_what_one_tag_cannot_say_is_shown_and_not_read_back(value: Any, tagged: Any) -> None:
    """It says to import instead, rather than storing something else."""
    assert shown(encode(value)) == tagged
    with pytest.raises(NoValue, match="import an export"):
        value_of(json.dumps(tagged))


def test_shared_and_cyclic_objects_are_shown_once() -> None:
    """Where they occur again it says where they are."""
    twice = [1]
    cycle: dict[str, Any] = {"twice": [twice, twice]}
    cycle["self"] = cycle
    assert shown(encode(cycle)) == {"twice": [[1], {"$same": ".twice[0]"}], "self": {"$same": "."}}


def test_a_value_nested_too_deep_is_shown_encoded() -> None:
    """And can be put back as that."""
    value: list[Any] = []
    for _ in range(LEVELS_SHOWN_MAX // 2 + 1):
        value = [{"a": value}]
    found = shown(encode(value))
    assert list(found) == ["$encoded"]
    assert value_of(json.dumps(found)) == value


def test_text_that_would_steer_a_terminal_is_escaped() -> None:
    """A client's message cannot move the cursor of whoever looks at it."""
    assert json_text(shown(encode("ä"))) == '"ä"'
    assert json_text(shown(encode("\x9b2J\u202e"))) == '"\\u009b2J\\u202e"'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hi", "is no JSON"),
        ("NaN", r'\{"\$float": "nan"\}'),
        ("[" * 100_000, "nested too deep"),
        ('{"$unknown": 1}', r"\$dict"),
        ('{"$bytes": "aGk=", "more": 1}', "cannot be read back"),
        ('{"$bytes": "?"}', r"\$bytes cannot be read"),
        ('{"$uuid": 5}', r"\$uuid cannot be read"),
        ('{"$timedelta": []}', r"\$timedelta cannot be read"),
        ('{"$zone": "Europe"}', r"\$zone cannot be read"),
        ('{"$set": [[1]]}', r"\$set cannot be read"),
        ('{"$decimal": "x"}', r"\$decimal cannot be read"),
        ('{"$encoded": "gGM="}', r"\$encoded: "),
        ("1" * 5000, "is no JSON"),
    ],
)
def test_what_is_no_value_is_refused_with_what_is_allowed(text: str, why: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(NoValue, match=why):
        value_of(text)


def test_bytes_that_are_no_value_are_not_shown() -> None:
    """They are refused by the codec, whatever they would do."""
    with pytest.raises(DecodeError):
        shown(base64.b64decode("gGM="))
