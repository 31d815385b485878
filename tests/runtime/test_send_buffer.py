"""Frames that wait for a client: in order, and dropped from the oldest on."""

from __future__ import annotations

import pytest
from parlour.runtime.send_buffer import HeldFrames, send_limits


def held(*frames: bytes) -> HeldFrames:
    """Frames that are held."""
    result = HeldFrames()
    for frame in frames:
        result.put(frame)
    return result


def test_what_is_held_is_taken_in_order() -> None:
    """And counted."""
    frames = held(b"a", b"bb")
    assert (bool(frames), frames.held_bytes) == (True, 3)
    assert [frames.take(), frames.take()] == [b"a", b"bb"]
    assert (bool(frames), frames.held_bytes) == (False, 0)


@pytest.mark.parametrize(
    ("bytes_max", "dropped", "left"),
    [(9, 0, b"aaa"), (6, 0, b"aaa"), (5, 1, b"bb"), (3, 1, b"bb"), (2, 2, b"c"), (-5, 2, b"c")],
)
def test_the_oldest_are_dropped_and_the_newest_stays(
    bytes_max: int, dropped: int, left: bytes
) -> None:
    """As few as it takes; the newest even where it is over the limit alone."""
    frames = held(b"aaa", b"bb", b"c")
    assert frames.drop_oldest(bytes_max) == dropped
    assert frames.take() == left


def test_the_limits_of_a_class_are_one_object() -> None:
    """A gateway has millions of sockets."""
    assert send_limits(100_000, True) is send_limits(100_000, True)
