"""Constructors get whatever parts the stored bytes hold, and make storable values or nothing."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from parlour.storage.codec import decode, encode
from parlour.storage.codec_budget import PATTERN_WORK_MAX, pattern_work
from parlour.storage.codec_types import CONSTRUCT, FILL
from parlour.storage.errors import DecodeError

from ..support.hostile_bytes import CALL, CONSTRUCTED, FILL_CALL, construct, refused
from ..support.storable_values import leaves, stranger


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (0,),
        (99,),
        (10**30,),
        (True, 5),
        ("1", 5),
        (1,),
        (1, 0),
        (1, 10**30),
        (1, 5, 5),
        (1, 5.0),
        (1, True),
        (2, -1),
        (2, 2 * 86_400_000_000),
        (2, 0, "zone"),
        (3, -1),
        (3, 10**40),
        (3, 0, 0),
        (4, 10**40),
        (4, 1.5),
        (5, 86_400_000_000),
        (5, 0, b"name"),
        (6, "../../etc/passwd"),
        (6, "/etc/passwd"),
        (6, "Europe/Nowhere"),
        (6, "Europe"),
        (6, "x.y/z"),
        (6, ""),
        (6, b"UTC"),
        (7, "abc"),
        (7, " 1"),
        (7, "1_0"),
        (7, "1e5"),
        (7, "1E+9999999999999999999999"),
        (7, 1),
        (8, bytes(15)),
        (8, "0" * 16),
        (9, "(", 0),
        (9, b"a", 32),
        (9, "a", int(re.DEBUG)),
        (9, "a", "i"),
        (9, ["a"], 0),
        (9, "(" * 5_000, 0),
        (10, "Exception "),
        (10, "int"),
        (10, "__import__"),
        (10, ["KeyError"]),
        (10, "OSError"),
        (11, "KeyError", ()),
        (11, "OSError", [1, "x"]),
        (11, "OSError", (1, "x", ValueError())),
        (11, "OSError", (1,) * 6),
        (11, "UnicodeDecodeError", ()),
        (11, "UnicodeDecodeError", ("utf-8", b"x", -(10**6), 10**6, "r")),
        (11, "UnicodeDecodeError", ("utf-8", bytearray(b"x"), 0, 1, "r")),
        (11, "UnicodeEncodeError", ("utf-8", "x", 5, 6, "r")),
        (11, "SyntaxError", ("m", 5)),
        (11, "SyntaxError", ("m", ["f", 1, 1, "t"])),
        (11, "ExceptionGroup", ("m", [])),
        (11, "ExceptionGroup", ("m", [1])),
        (11, "ExceptionGroup", ("m", [KeyboardInterrupt()])),
    ],
    ids=lambda parts: repr(parts)[:60],
)
def test_constructors_check_their_parts(parts: tuple[object, ...]) -> None:
    """Types, ranges and counts: what the encoder would not have written is refused."""
    refused(construct(*parts))


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 13), st.lists(leaves | st.lists(leaves, max_size=3).map(tuple), max_size=4))
@example(6, ["Etc/../UTC"])
@example(9, ["[", 0])
def test_constructors_make_storable_values_or_nothing(number: int, parts: list[object]) -> None:
    """Whatever the parts, what comes back is of the closed list and can be stored again."""
    try:
        value = decode(construct(number, *parts))
    except DecodeError:
        return
    assert not stranger(value)
    assert encode(value)


@pytest.mark.parametrize("state", [{"_budget": None}, {"__call__": None}, {"new": 1}])
def test_a_constructor_cannot_be_changed(state: dict[str, object]) -> None:
    """No attribute can be set, the way pickle's BUILD does it or another."""
    for callable_of_ours in (CONSTRUCT, FILL):
        assert not hasattr(callable_of_ours, "__dict__")
        assert not hasattr(callable_of_ours, "__setstate__")
        for name, value in state.items():
            with pytest.raises(AttributeError):
                setattr(callable_of_ours, name, value)


def test_only_an_exception_that_waits_for_it_is_filled() -> None:
    """Filling is for exceptions that were made empty, with a tuple."""
    for filled in (construct(1, 5)[1:], construct(11, "OSError", (1,))[1:], b"]", b"K\x05"):
        refused(CONSTRUCTED + filled + b"\x94" + FILL_CALL + b"h\x04)\x86R0")
    for state in (b"]", b"K\x05", b"}"):
        refused(construct(10, "KeyError") + b"\x94" + FILL_CALL + b"h\x04" + state + b"\x86R0")


def test_many_objects_cannot_each_copy_the_same_bytes() -> None:
    """Five thousand Decimals of one text of 64 KiB would take 130 MiB."""
    text = b"X" + struct.pack("<I", 60_000) + b"9" * 60_000 + b"\x94"
    each = CALL + b"K\x07h\x02\x86R"

    problem = refused(CONSTRUCTED + text + b"0(" + each * 5_000 + b"t")

    assert "the same bytes are used by many objects" in problem


def test_patterns_that_would_compile_for_minutes_are_refused() -> None:
    """Every range over all of Unicode takes the compiler milliseconds."""
    for pattern in (
        "[%c一-\U0010ffff]",
        r"[%c\0-\uffff]",
        r"[%c\0-\U0010ffff]",
        "[%c-\\N{BULLET}]",
    ):
        body = b"".join(construct(9, pattern % (97 + n % 26), 2)[1:] + b"0" for n in range(2_000))

        assert "patterns cost more" in refused(CONSTRUCTED + body + b"N")
    assert "patterns cost more" in refused(construct(9, "a" * (PATTERN_WORK_MAX + 1), 0))


def test_usual_patterns_cost_little() -> None:
    """The estimate is of use only if it spares what people write."""
    usual = [r"^[\w.+-]+@[\w-]+\.[\w.-]+$", "[a-zA-Z0-9_-]{1,64}", r"#[0-9a-f]{6}", "[一-龥]+"]

    assert sum(map(pattern_work, usual)) < PATTERN_WORK_MAX / 20
