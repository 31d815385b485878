"""Ranges of keys, bound by bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.storage.key_range import RESERVED, KeyRange, successor

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@given(texts, texts)
def test_the_successor_of_a_prefix_is_above_what_starts_with_it(prefix: str, rest: str) -> None:
    """And not above anything else that is above the prefix."""
    above = successor(prefix)
    assert above is None or prefix + rest < above
    if above is not None and prefix < rest < above:
        assert rest.startswith(prefix)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("a", "b"),
        ("ab\U0010ffff", "ac"),
        ("\ud7ff", "\ue000"),
        ("", None),
        ("\U0010ffff\U0010ffff", None),
    ],
)
def test_successors(prefix: str, expected: str | None) -> None:
    """Past surrogates, and past the highest code point."""
    assert successor(prefix) == expected


@given(texts, texts)
def test_strings_order_as_their_utf8_bytes(one: str, other: str) -> None:
    """What everything here rests on."""
    assert (one < other) == (one.encode() < other.encode())


def test_a_part_and_what_is_beyond_it_make_the_range() -> None:
    """In both directions."""
    up = KeyRange("b", "y")
    assert up.beyond(up.between("b", "m")) == KeyRange("m", "y")
    assert up.beyond(up.between("a", "z")) is None
    assert KeyRange("b", None).beyond(KeyRange("b", "m")) == KeyRange("m", None)
    assert KeyRange("b", None).beyond(KeyRange("b", None)) is None
    down = KeyRange("b", "y", reverse=True)
    assert down.beyond(down.between("m", "z")) == KeyRange("b", "m", reverse=True)
    assert down.beyond(down.between("", "z")) is None


def test_ranges_of_users_end_below_what_storage_keeps_for_itself() -> None:
    """Whatever the bounds."""
    everything = KeyRange.of(
        start=None, start_after=None, end=None, prefix=None, reverse=False, limit=None
    )
    assert everything == KeyRange("", RESERVED)
    assert KeyRange.of(
        start=RESERVED, start_after=None, end=RESERVED * 2, prefix=None, reverse=False, limit=None
    ).empty
