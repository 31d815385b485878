"""A route: what a gateway keeps of one room."""

from __future__ import annotations

import random

import pytest
from parlour.actors.frames import Kind
from parlour.actors.link import Link
from parlour.actors.messages import ConnectionRecord, RoomKey
from parlour.runtime import route as route_module
from parlour.runtime.route import REFUSE_FACTOR, PendingEvent, Route

KEY = RoomKey("chat", "lobby")


class ReadingSocket:
    """A client's socket that says whether it is read."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.reading = True

    def write_frame(self, frame: bytes) -> None:
        raise AssertionError("a route sends nothing")

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True


@pytest.fixture
async def link() -> Link:
    """A link to a room actor."""
    return Link(print, print)


@pytest.fixture
def route() -> Route:
    """A route of which nothing is there."""
    return Route(KEY)


def record(number: int) -> ConnectionRecord:
    """What a gateway keeps of a connection."""
    return ConnectionRecord(number, f"c{number}", "ws://h/party/x", [])


def event(sequence: int, number: int = 1, kind: int = Kind.TEXT, size: int = 0) -> PendingEvent:
    """An event."""
    return PendingEvent(kind, number, sequence, bytes(size))


def connect(route: Route, number: int, sequence: int) -> None:
    """A client asks to be let in."""
    route.add_connection(record(number), sequence)
    route.add(event(sequence, number, Kind.CONNECT))


def sequences(route: Route) -> list[int]:
    """What is pending."""
    return [each.sequence for each in route.pending]


def test_events_are_kept_until_they_are_done(route: Route) -> None:
    """All up to the one that is named, in order; what is named again changes nothing."""
    for sequence in (3, 5, 9):
        route.add(event(sequence))
    route.done(2)
    assert sequences(route) == [3, 5, 9]
    route.done(5)
    assert sequences(route) == [9]
    route.done(4)
    assert sequences(route) == [9]
    route.done(9)
    assert (sequences(route), route.unused) == ([], True)


def test_a_room_that_gets_something_done_has_not_failed(route: Route) -> None:
    """The backoff begins anew."""
    route.failures = 4
    route.add(event(1))
    route.done(1)
    assert route.failures == 0


def test_a_connection_is_kept_until_its_end_is_done(route: Route) -> None:
    """The room may have to be told of it once more until then."""
    connect(route, 7, 1)
    route.done(1)
    route.add(event(2, 7, Kind.CLOSED))
    assert route.record(7) == record(7)
    assert not route.unused
    route.done(2)
    assert route.record(7) is None
    assert route.unused


async def test_attaching_tells_the_connections_that_the_room_knows(
    route: Route, link: Link
) -> None:
    """Not one whose CONNECT is pending: that one it meets anew; one that is closing, though."""
    connect(route, 1, 1)
    connect(route, 2, 2)
    route.done(2)
    connect(route, 3, 3)
    route.add(event(4, 1, Kind.CLOSED))
    route.sockets = {n: ReadingSocket(n) for n in (1, 2, 3)}

    assert [each.number for each in route.attach(link, 5)] == [1, 2]
    assert (route.link, route.channel, route.placing) == (link, 5, False)
    assert set(route.sockets) == {1, 2}
    assert sequences(route) == [3, 4]


async def test_a_connection_that_the_room_was_never_told_of_is_not_one_it_knows(
    route: Route, link: Link
) -> None:
    """Its CONNECT was given up: no room has met it, so none shall hear of it."""
    connect(route, 1, 1)
    route.add(event(2))
    assert route.give_up_first() == event(1, 1, Kind.CONNECT)
    assert route.attach(link, 1) == []


async def test_a_room_that_leaves_in_good_order_is_to_blame_for_nothing(
    route: Route, link: Link
) -> None:
    """Its events are sent again without care."""
    route.add(event(1))
    route.attach(link, 1)
    route.detach()
    assert (route.link, route.channel, route.careful_until, route.failures) == (None, 0, 0, 0)
    assert sequences(route) == [1]


async def test_the_first_death_makes_the_room_careful(route: Route, link: Link) -> None:
    """Nobody knows which of the events it was: all that were pending are handled one by one."""
    for sequence in (1, 2, 3):
        route.add(event(sequence))
    route.attach(link, 1)
    assert route.lost() is None
    assert (route.link, route.careful_until, route.failures) == (None, 3, 1)
    assert sequences(route) == [1, 2, 3]


async def test_the_second_death_gives_up_the_event_it_died_on(route: Route, link: Link) -> None:
    """The one that had begun; the others are sent again, with care."""
    for sequence in (1, 2, 3):
        route.add(event(sequence))
    route.attach(link, 1)
    route.lost()
    route.attach(link, 2)
    route.try_event(1)
    route.try_event(2)
    route.add(event(4))
    assert route.lost() == event(2)
    assert sequences(route) == [3, 4]
    assert route.careful_until == 4


async def test_an_event_that_had_not_begun_is_never_blamed(route: Route, link: Link) -> None:
    """However often the process dies before: none was announced since the room came back."""
    route.add(event(1))
    for channel in range(1, 6):
        route.attach(link, channel)
        assert route.lost() is None
    route.attach(link, 6)
    route.try_event(1)
    route.done(1)
    route.add(event(2))
    assert route.lost() is None
    assert route.careful_until == 2
    route.attach(link, 7)
    route.try_event(2)
    assert route.lost() == event(2)
    assert route.lost() is None
    assert route.unused


def test_giving_up_takes_the_oldest(route: Route) -> None:
    """And nothing from nothing."""
    route.add(event(1))
    route.add(event(2))
    assert route.give_up_first() == event(1)
    assert route.give_up_first() == event(2)
    assert route.give_up_first() is None


@pytest.mark.parametrize("size", [0, 100], ids=["many events", "many bytes"])
def test_a_crowded_route_stops_reading_those_who_add_to_it(
    route: Route, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Past the limit, not at it; all read on as soon as it is not crowded any more."""
    monkeypatch.setattr(route_module, "PENDING_EVENTS_MAX", 4 if size == 0 else 1000)
    monkeypatch.setattr(route_module, "PENDING_BYTES_MAX", 400)
    loud, louder, quiet = (ReadingSocket(number) for number in range(3))
    for sequence in range(1, 5):
        route.add(event(sequence, size=size), loud)
    assert (loud.reading, route.crowded) == (True, False)

    route.add(event(5, size=size), loud)
    route.add(event(6, size=size), louder)
    assert (loud.reading, louder.reading, quiet.reading) == (False, False, True)
    assert (route.crowded, route.refusing) == (True, False)

    route.done(1)
    assert not loud.reading
    route.done(2)
    assert (loud.reading, louder.reading, route.crowded) == (True, True, False)


def test_giving_up_lets_sockets_be_read_again(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket is not paused for what does not wait any more."""
    monkeypatch.setattr(route_module, "PENDING_EVENTS_MAX", 1)
    socket = ReadingSocket(1)
    route.add(event(1), socket)
    route.add(event(2), socket)
    assert not socket.reading
    route.give_up_first()
    assert socket.reading


def test_a_route_far_past_its_limits_refuses(route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections and requests cannot be paused: they are told to come back."""
    monkeypatch.setattr(route_module, "PENDING_EVENTS_MAX", 3)
    for sequence in range(3 * REFUSE_FACTOR):
        route.add(event(sequence + 1))
    assert not route.refusing
    route.add(event(100))
    assert route.refusing
    route.done(1)
    assert not route.refusing


@pytest.mark.parametrize("seed", range(20))
async def test_what_is_counted_is_what_is_pending(
    link: Link, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Through any history of adding, finishing, giving up and dying; at the end nothing is left."""
    monkeypatch.setattr(route_module, "PENDING_BYTES_MAX", 500)
    chance = random.Random(seed)
    route, last = Route(KEY), 0
    for _ in range(300):
        step = chance.randrange(5)
        if step <= 1:
            last += 1
            route.add(event(last, size=chance.randrange(100)))
        elif step == 2:
            route.done(last - chance.randrange(8))
        elif step == 3:
            route.give_up_first()
        else:
            route.attach(link, 1)
            route.lost()
        waiting = sum(len(each.payload) for each in route.pending)
        assert route.crowded == (waiting > 500)
        assert sequences(route) == sorted(sequences(route))
    route.done(last)
    assert route.unused


async def test_a_route_says_how_it_stands(route: Route, link: Link) -> None:
    """What a log reader needs."""
    assert "chat/lobby absent, 0 connections, 0 pending" in repr(route)
    route.placing = True
    route.add(event(1))
    assert "placing" in repr(route)
    route.attach(link, 1)
    assert "attached, 0 connections, 1 pending" in repr(route)
