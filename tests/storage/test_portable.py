"""Exports: lines that are read back to the byte, and files that are not believed."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterable

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.storage import Alarm, DecodeError, StorageLimits, decode, encode
from parlour.storage.errors import InvalidExport
from parlour.storage.portable import (
    ALARMS_MAX,
    READABLE_BYTES_MAX,
    Entry,
    ExportWriter,
    Header,
    NamedAlarm,
    Record,
    read_export,
)

from ..support.storable_values import difference, graphs, leaves

HEADER = Header("chat/lobby", epoch=3, flush_number=7, live=False)
LIMITS = StorageLimits()


def export(records: Iterable[Record]) -> list[str]:
    """The lines of an export of these."""
    writer = ExportWriter()
    lines = [writer.header(HEADER), *(writer.line(record) for record in records)]
    return [*lines, writer.end(7, one_state=True)]


def read(lines: Iterable[str]) -> list[Record]:
    """What such lines hold."""
    return list(read_export((f"{line}\n".encode() for line in lines), LIMITS))


_keys = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x10FFFE), max_size=20)


@given(_keys, st.one_of(leaves, graphs()), st.booleans())
def test_every_storable_value_comes_back(key: str, value: object, is_large: bool) -> None:
    """Its bytes are the same, so types, identities and cycles are too."""
    entry = Entry(key, encode(value), is_large)
    lines = export([entry])
    assert read(lines) == [entry]
    assert all(line.isprintable() for line in lines)
    encoded = json.loads(lines[1])["encoded"]
    assert difference(decode(base64.b64decode(encoded)), decode(entry.data)) == ""


def test_arrays_and_values_too_large_to_show_come_back() -> None:
    """The readable form is for people: it may be missing."""
    entries = [
        Entry("array", encode(numpy.arange(12, dtype="<i2").reshape(3, 4))),
        Entry("long", encode("x" * READABLE_BYTES_MAX)),
        Entry("long", encode(bytes(3_000_000)), is_large=True),
    ]
    lines = export(entries)
    assert read(lines) == entries
    assert ["value" in json.loads(line) for line in lines[1:-1]] == [True, False, False]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.integers(1, 10**12))
def test_alarms_come_back(text: str, due_ms: int) -> None:
    """With their names and notes."""
    records = [NamedAlarm(text, Alarm(due_ms, text)), NamedAlarm("", Alarm(due_ms))]
    assert read(export(records)) == records


def test_bytes_that_are_no_value_are_not_exported() -> None:
    """What could not be imported is found out when it is exported, and the key is named."""
    with pytest.raises(DecodeError, match="'broken'"):
        export([Entry("broken", b"\x80c")])


ENTRY = export([Entry("k", encode(1))])[1]
WHOLE = export([Entry("k", encode(1)), NamedAlarm("", Alarm(5))])


def entry(**changes: object) -> str:
    """A line with these parts changed; None takes a part out."""
    found = {**json.loads(ENTRY), **changes}
    return json.dumps({name: part for name, part in found.items() if part is not None})


def alarm(**changes: object) -> str:
    """Likewise, of an alarm."""
    return json.dumps({"alarm": "", "due_ms": 5, "note": "", **changes})


HOSTILE = base64.b64encode(b"\x07" + pickle.dumps(print)[2:-1]).decode()
TOO_LONG = base64.b64encode(encode("x" * LIMITS.value_bytes_max)).decode()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "no JSON"),
        ("[1]", "no JSON object"),
        ("[" * 100_000, "no JSON"),
        ("{}", "none of key, large, alarm and end"),
        (entry(encoded=None), "no encoded value"),
        (entry(encoded="?"), "no base64"),
        (entry(encoded=""), "cannot be decoded"),
        (f'{{"key": "k", "value": {"[" * 400}{"]" * 400}, "encoded": "AA=="}}', "its value is not"),
        (entry(encoded=HOSTILE), "cannot be decoded"),
        (entry(encoded=TOO_LONG), "the most is"),
        (entry(key=5), "keys are strings"),
        (entry(key="x" * 2049), "2,049 UTF-8 bytes"),
        (entry(key="\U0010ffffpiece\0"), "keeps for itself"),
        (entry(key="\ud800"), "half a surrogate pair"),
        (entry(value=2), "its value is not what its encoded bytes stand for"),
        (entry(value=True), "its value is not"),
        (entry(encoded=base64.b64encode(encode(2)).decode()), "its value is not"),
        (alarm(due="2030-01-01T00:00:00+00:00"), "due is not the time"),
        (alarm(due_ms=0), "due_ms"),
        (alarm(due_ms=True), "due_ms"),
        (alarm(due_ms=10**15), "due_ms"),
        (alarm(note=5), "texts"),
        (alarm(alarm="\ud800"), "surrogate"),
        (alarm(alarm="x" * 5000), "4,096 bytes"),
    ],
)
def test_a_line_that_is_not_sound_is_refused_by_its_number(line: str, why: str) -> None:
    """Nothing in a file is believed, the encoded bytes least of all."""
    with pytest.raises(InvalidExport, match=why) as refused:
        read([WHOLE[0], line, WHOLE[-1]])
    assert refused.value.line == 2


def test_a_readable_value_may_be_missing_or_written_another_way() -> None:
    """What a formatter of JSON does changes nothing; who edits the bytes takes the value out."""
    data = encode({"b": 1, "a": [2.5, "é"]})
    line = json.loads(export([Entry("k", data)])[1])
    pretty = json.dumps(line, sort_keys=True, ensure_ascii=True)
    bare = json.dumps({name: part for name, part in line.items() if name != "value"})
    for one in (pretty, bare):
        assert read([WHOLE[0], one, export([Entry("k", data)])[-1]]) == [Entry("k", data)]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "cut off"),
        (WHOLE[:-1], "cut off"),
        (WHOLE[1:], "begins with"),
        ([WHOLE[0].replace('_export": 1', '_export": 2'), *WHOLE[1:]], "version 2"),
        ([*WHOLE[:1], *WHOLE[2:]], "should hold"),
        ([*WHOLE[:2], *WHOLE[1:]], "should hold"),
        ([*WHOLE, WHOLE[1]], "after the end"),
        ([WHOLE[0], *[WHOLE[2]] * (ALARMS_MAX + 1), WHOLE[-1]], "4,000"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(lines: list[str], why: str) -> None:
    """Cut off, put together from two, or edited."""
    with pytest.raises(InvalidExport, match=why):
        read(lines)
