"""Rooms that a version could start, and rooms that it could not: told apart, within a limit."""

from __future__ import annotations

import pytest
from parlour.actors.messages import Report, RoomKey, RoomReport
from parlour.runtime import tried_rooms
from parlour.runtime.tried_rooms import TriedRooms


def report(*live: str, failed: tuple[str, ...] = (), state: str = "live") -> Report:
    """What a room actor says."""
    rooms = [RoomReport(RoomKey("chat", name), state, 0.0, 0, 0.0) for name in live]
    return Report(rooms, 1, "r1", [RoomKey("chat", name) for name in failed])


def counts(tried: TriedRooms) -> tuple[int, int]:
    return tried.started, tried.failed


def test_a_room_that_has_started_has_not_failed() -> None:
    """Whichever was first: what it stores after its start is to blame for the rest."""
    tried = TriedRooms()
    tried.take(report("a", failed=("b", "c"), state="waking"))
    assert counts(tried) == (0, 2)
    tried.take(report("b"))
    assert counts(tried) == (1, 1)
    tried.take(report(failed=("b", "c", "d")))
    assert counts(tried) == (1, 2)


def test_another_version_begins_anew() -> None:
    """What became of rooms with the one before says nothing of it."""
    tried = TriedRooms()
    tried.take(report("a", failed=("b",)))
    tried.begin_anew()
    assert counts(tried) == (0, 0)


def test_a_node_of_many_rooms_does_not_remember_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that start at last are still told from the others."""
    monkeypatch.setattr(tried_rooms, "TRIED_ROOMS_MAX", 3)
    tried = TriedRooms()
    tried.take(report(failed=tuple(f"f{number}" for number in range(9))))
    assert counts(tried) == (0, 3)
    for number in range(9):
        tried.take(report(f"s{number}"))
    assert counts(tried) == (3, 3)
    tried.take(report("f0"))
    assert counts(tried) == (3, 2)
