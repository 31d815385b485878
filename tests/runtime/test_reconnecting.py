"""When a client connects again."""

from __future__ import annotations

import pytest
from parlour.runtime.reconnecting import RECONNECT_CODES, Backoff, is_final


def test_pauses_grow_to_a_limit_and_differ() -> None:
    """So that not all clients of a server that restarts come back at the same moment."""
    backoff = Backoff(0.25, 10.0)
    assert [backoff.pause_s(failures, 1.0) for failures in (1, 2, 3)] == [0.25, 0.5, 1.0]
    assert backoff.pause_s(1000, 1.0) == 10.0
    assert backoff.pause_s(1000, 0.0) == 5.0


@pytest.mark.parametrize(
    ("status", "final"),
    [
        (401, True),
        (404, True),
        (499, True),
        (408, False),
        (429, False),
        (500, False),
        (503, False),
        (301, False),
    ],
)
def test_which_refusals_are_final(status: int, final: bool) -> None:
    """Those that tell of the client, not of the moment."""
    assert is_final(status) is final


def test_what_a_room_closes_with_on_purpose_is_final() -> None:
    """Codes of applications, and those that say what the client did wrong."""
    assert RECONNECT_CODES.isdisjoint({1000, 1002, 1003, 1007, 1008, 1009, *range(3000, 5000)})
