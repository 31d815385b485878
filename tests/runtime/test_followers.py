"""Who follows a node, and what is kept for each."""

from __future__ import annotations

import pytest
from parlour.actors.watch import Seen, Watching
from parlour.runtime import followers as followers_module
from parlour.runtime.followers import (
    SILENCE_S,
    Followers,
    TooManyFollowers,
    UnknownFollower,
    Wanted,
)

CHAT = Seen("message", 1.0, "chat", "lobby", "ada", 5, 0.1)
GAME = Seen("connect", 2.0, "game", "1", "bob")
LOG = Seen("log", 3.0, "chat", "other", "INFO", text="a line")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), [CHAT, GAME, LOG]),
        (Wanted(party="chat"), [CHAT, LOG]),
        (Wanted(room="1"), [GAME]),
        (Wanted(kinds=frozenset({"connect", "log"})), [GAME, LOG]),
        (Wanted("chat", "lobby", frozenset({"message"})), [CHAT]),
        (Wanted("chat", "1"), []),
    ],
)
def test_each_is_shown_what_it_wants(wanted: Wanted, expected: list[Seen]) -> None:
    """Once, oldest first."""
    followers = Followers()
    followers.add("f", wanted, 0.0)
    followers.offer([CHAT, GAME], 0)
    followers.offer([LOG], 0)
    assert followers.take("f", 1.0).seen == expected
    assert followers.take("f", 1.0).seen == []


def test_rooms_are_watched_as_long_as_somebody_follows() -> None:
    """With contents, if one of them wants those; one that does not come any more is forgotten."""
    followers = Followers()
    assert followers.watching == Watching(False)
    followers.add("a", Wanted(), 0.0)
    assert followers.watching == Watching(True, contents=False)
    followers.add("b", Wanted(contents=True), 0.0)
    assert followers.watching == Watching(True, contents=True)
    followers.take("a", SILENCE_S - 1)
    followers.expire(SILENCE_S)
    assert followers.watching == Watching(True, contents=False)
    with pytest.raises(UnknownFollower):
        followers.take("b", SILENCE_S)
    followers.remove("a")
    followers.remove("a")
    assert followers.watching == Watching(False)


def test_contents_are_kept_for_those_alone_who_want_them() -> None:
    """Log lines are no contents."""
    followers = Followers()
    followers.add("without", Wanted(), 0.0)
    followers.add("with", Wanted(contents=True), 0.0)
    told = Seen("message", 1.0, "chat", "lobby", "ada", 6, 0.1, "secret")
    followers.offer([told, LOG], 0)
    assert [each.text for each in followers.take("with", 0.0).seen] == ["secret", "a line"]
    without = followers.take("without", 0.0).seen
    assert [each.text for each in without] == ["", "a line"]
    assert (without[0].who, without[0].size_bytes) == ("ada", 6)


def test_a_ring_drops_its_oldest_and_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As well as what the room actors had no place for."""
    monkeypatch.setattr(followers_module, "RING_SEEN_MAX", 2)
    followers = Followers()
    followers.add("f", Wanted(), 0.0)
    followers.offer([CHAT, GAME, LOG], 4)
    batch = followers.take("f", 0.0)
    assert (batch.seen, batch.dropped) == ([GAME, LOG], 5)
    assert followers.take("f", 0.0).dropped == 0


def test_only_so_many_may_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that follows already may do so anew."""
    monkeypatch.setattr(followers_module, "FOLLOWERS_MAX", 1)
    followers = Followers()
    followers.add("a", Wanted(), 0.0)
    followers.add("a", Wanted(party="chat"), 0.0)
    with pytest.raises(TooManyFollowers, match="1 follow this node already"):
        followers.add("b", Wanted(), 0.0)
