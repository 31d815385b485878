"""Rooms that wake elsewhere for a while."""

from __future__ import annotations

import pytest
from parlour.actors.messages import RoomKey
from parlour.runtime import redirects
from parlour.runtime.redirects import Redirects

LOBBY, OTHER = RoomKey("chat", "lobby"), RoomKey("chat", "other")


def test_a_room_is_redirected_until_the_time_is_over() -> None:
    """And no other room is."""
    table = Redirects()
    table.add(LOBBY, "there", 10.0)
    assert table.find(LOBBY, 9.9) == "there"
    assert table.find(OTHER, 9.9) == ""
    assert table.find(LOBBY, 10.0) == ""
    assert table.find(LOBBY, 9.9) == ""  # it is forgotten by then


def test_what_is_said_last_counts() -> None:
    """A room that is moved on goes to the new place."""
    table = Redirects()
    table.add(LOBBY, "there", 10.0)
    table.add(LOBBY, "yonder", 20.0)
    assert table.find(LOBBY, 15.0) == "yonder"


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past it the oldest is forgotten."""
    monkeypatch.setattr(redirects, "REDIRECTS_MAX", 2)
    table = Redirects()
    for place, name in enumerate("abc"):
        table.add(RoomKey("chat", name), f"node {place}", 10.0)
    assert [table.find(RoomKey("chat", name), 0.0) for name in "abc"] == ["", "node 1", "node 2"]
