"""Questions that have no answer yet."""

from __future__ import annotations

import pytest
from parlour.actors.link import Link
from parlour.actors.messages import RoomKey
from parlour.runtime import waiting
from parlour.runtime.waiting import WAITING_TIMEOUT_S, WaitingWake, WaitingWakes


@pytest.fixture
async def link() -> Link:
    """A gateway's link."""
    return Link(print, print)


def wake(link: Link, number: int, since_s: float = 0.0) -> WaitingWake:
    """A question that is told from others by its number."""
    return WaitingWake(link, number, RoomKey("chat", str(number)), since_s)


async def test_each_is_tried_once_and_in_order(link: Link) -> None:
    """One that cannot be served does not hold up the others, and keeps its place."""
    wakes = WaitingWakes()
    for number in range(4):
        wakes.add(wake(link, number))
    tried: list[int] = []

    def place(each: WaitingWake) -> bool:
        tried.append(each.number)
        return each.number % 2 == 1

    wakes.serve(place)
    assert (tried, len(wakes)) == ([0, 1, 2, 3], 2)
    wakes.serve(place)
    assert tried[4:] == [0, 2]


async def test_a_lost_gateway_asks_nothing_any_more(link: Link) -> None:
    """Others do."""
    wakes, other = WaitingWakes(), Link(print, print)
    wakes.add(wake(link, 1))
    wakes.add(wake(other, 2))
    wakes.forget(link)
    assert [each.number for each in wakes.expired(1e9)] == [2]


async def test_those_that_waited_too_long_wait_no_more(link: Link) -> None:
    """Longer than the limit, not as long; each is told once."""
    wakes = WaitingWakes()
    wakes.add(wake(link, 1, since_s=0.0))
    wakes.add(wake(link, 2, since_s=1.0))
    assert wakes.expired(WAITING_TIMEOUT_S) == []
    assert [each.number for each in wakes.expired(WAITING_TIMEOUT_S + 0.5)] == [1]
    assert len(wakes) == 1
    assert wakes.expired(WAITING_TIMEOUT_S + 0.5) == []


async def test_there_is_a_limit(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks past it is answered at once."""
    monkeypatch.setattr(waiting, "WAITING_MAX", 1)
    wakes = WaitingWakes()
    assert not wakes.full
    wakes.add(wake(link, 1))
    assert wakes.full


async def test_all_can_be_taken_out(link: Link) -> None:
    """In order, once; those that come later wait anew."""
    wakes = WaitingWakes()
    for number in range(3):
        wakes.add(wake(link, number))
    assert [each.number for each in wakes.take_all()] == [0, 1, 2]
    assert (len(wakes), wakes.take_all()) == (0, [])
    wakes.add(wake(link, 3))
    assert [each.number for each in wakes.take_all()] == [3]


async def test_the_first_of_some_parties_can_be_taken_out(link: Link) -> None:
    """As many as are wanted; the others go on waiting, and are counted."""
    wakes = WaitingWakes()
    for number, party in enumerate(["chat", "draw", "film", "draw", "draw"]):
        wakes.add(WaitingWake(link, number, RoomKey(party, str(number)), 0.0))
    assert wakes.by_party == {"chat": 1, "draw": 3, "film": 1}
    assert [each.number for each in wakes.take({"draw", "film"}, 3)] == [1, 2, 3]
    assert wakes.by_party == {"chat": 1, "draw": 1}
    assert wakes.take({"film"}, 3) == []
    wakes.serve(lambda each: each.key.party == "draw")
    assert wakes.by_party == {"chat": 1}
    wakes.take_all()
    assert not wakes.by_party
