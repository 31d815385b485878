"""What was seen, as lines."""

from __future__ import annotations

import json
import time

import pytest
from parlour.actors.watch import KINDS, Seen
from parlour.runtime.cluster_tail import Shown
from parlour.runtime.tail_text import as_json, line

from parlour import cli_tail

AT_S = 12 * 3600 + 34 * 60 + 56.75


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (
            Seen("message", AT_S, "chat", "lobby", "ada", 5, 0.00042),
            "12:34:56.750 chat/lobby message ada 5 B 0.4 ms",
        ),
        (
            Seen("message", AT_S, "chat", "a/b", "ada", 5, 0.1, "hi\x1b[2J\nthere ü"),
            r"12:34:56.750 chat/a%2Fb message ada 5 B 100.0 ms hi\x1b[2J\nthere ü",
        ),
        (
            Seen("connect", AT_S, "chat", "lobby", "ada\n", duration_s=0.002),
            r"12:34:56.750 chat/lobby connect ada\n 2.0 ms",
        ),
        (
            Seen("request", AT_S, "chat", "lobby", "GET /x", 0, 0.001),
            "12:34:56.750 chat/lobby request GET /x 0 B 1.0 ms",
        ),
        (
            Seen("alarm", AT_S, "chat", "lobby", duration_s=1.0),
            "12:34:56.750 chat/lobby alarm 1000.0 ms",
        ),
        (
            Seen("error", AT_S, "chat", "lobby", "ERROR", text="ValueError: no"),
            "12:34:56.750 chat/lobby error ERROR ValueError: no",
        ),
        (Seen("log", AT_S, who="INFO", text="hm"), "12:34:56.750 (10.0.0.1) log INFO hm"),
    ],
)
def test_what_was_seen_is_one_line(seen: Seen, expected: str) -> None:
    """Whatever a client has put into it."""
    assert line(Shown("10.0.0.1", seen), time.gmtime) == expected


def test_what_was_dropped_is_said() -> None:
    """With the node that had no place for it."""
    shown = Shown("10.0.0.1", None, 7)
    assert line(shown) == "... 7 more on 10.0.0.1 that there was no place for"
    assert json.loads(as_json(shown)) == {"kind": "dropped", "node": "10.0.0.1", "count": 7}


def test_json_has_everything() -> None:
    """By the names of the fields."""
    seen = Seen("message", AT_S, "chat", "lobby", "ada", 5, 0.25, "hi\n")
    found = as_json(Shown("10.0.0.1", seen))
    assert "\n" not in found
    assert json.loads(found) == {
        "node": "10.0.0.1",
        "kind": "message",
        "at": AT_S,
        "party": "chat",
        "room": "lobby",
        "who": "ada",
        "size_bytes": 5,
        "duration_s": 0.25,
        "text": "hi\n",
    }


def test_the_command_knows_every_kind() -> None:
    """It names them without loading what notes them."""
    assert cli_tail.KINDS == KINDS
