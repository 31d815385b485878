"""`parlour.testing`, used as an application's tests use it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from parlour.testing import Refused, Rooms

from .classes import Echo, Guarded, Keeper, Patient, Tally, Ticker, Young


async def test_clients_talk_with_a_room(rooms: Rooms) -> None:
    """Text and bytes, each in order; a call returns when all that follows from it has happened."""
    lobby = rooms.room(Echo)
    alice, bob = await lobby.connect("alice"), await lobby.connect("bob")

    await alice.send("one", b"\x02", "three")
    await bob.send_json({"four": 4})

    assert await alice.received() == ["one", b"\x02", "three"]
    assert await bob.receive_json() == {"four": 4}


async def test_a_client_says_what_it_wants(rooms: Rooms) -> None:
    """Its name, what is below the room, and a query; it has a name of its own if it gives none."""
    lobby = rooms.room(Tally, "über/lobby")

    alice = await lobby.connect("alice", path="/door", query={"as": "ä&b"})
    somebody = await lobby.connect()

    room_url = f"ws://127.0.0.1:{rooms.url.port}/parties/tally/%C3%BCber%2Flobby"
    assert await alice.receive() == f"hello {room_url}/door?_pk=alice&as=%C3%A4%26b ä&b"
    assert await somebody.receive() == f"hello {room_url}?_pk={somebody.id} "
    assert lobby.instance.id == "über/lobby"


async def test_what_was_not_sent_is_not_waited_for(rooms: Rooms) -> None:
    """All rooms are at rest: nothing will come, and that is said at once."""
    alice = await rooms.room(Keeper).connect("alice")

    assert await alice.received() == []
    with pytest.raises(AssertionError, match="alice> was sent nothing"):
        await alice.receive()


async def test_a_request_is_answered(rooms: Rooms) -> None:
    """With status, headers and body."""
    lobby = rooms.room(Tally)

    answer = await lobby.request("PUT", "/below", body="text", query={"q": "1"})

    assert answer.status == 200
    assert answer.headers["X-Count"] == "0"
    assert answer.json() == {"method": "PUT", "path": "/below", "body": "text"}
    assert (await lobby.request()).json()["path"] == "/"


async def test_a_client_that_is_not_let_in_is_told_why(rooms: Rooms) -> None:
    """By status and text, as it was answered."""
    rooms.deploy(Tally)

    with pytest.raises(Refused, match="no party 'nowhere'") as refused:
        await rooms.connect("/parties/nowhere/lobby")

    assert refused.value.status == 404


async def test_clients_leave_as_they_like(rooms: Rooms) -> None:
    """With a code and a reason, or without a word."""
    lobby = rooms.room(Tally)
    alice, bob = await lobby.connect("alice"), await lobby.connect("bob")
    carol = await lobby.connect("carol")
    await carol.received()

    await alice.close(4000, "enough")
    await bob.vanish()

    assert await carol.received() == ["alice 4000 enough True", "bob 1006  False"]
    assert alice.closed == (4000, "")  # the answer to a close carries its code
    assert bob.closed == (1006, "")
    assert carol.closed is None
    with pytest.raises(ConnectionError):
        await alice.send("anybody there?")


async def test_a_crash_loses_what_is_not_durable_and_no_connection(rooms: Rooms) -> None:
    """What waited for it never leaves, and the event in hand is handled again."""
    lobby = rooms.room(Tally)
    alice = await lobby.connect("alice")
    await alice.send("first")
    await alice.received()

    with lobby.held_writes():
        await alice.send("second")
        assert await alice.received() == []
        assert await lobby.stored() == {"count": 1}
        await lobby.crash()

    assert await alice.receive() == "2 1"  # handled by a room that has just started
    assert alice.closed is None
    assert await lobby.stored() == {"count": 2}


async def test_a_room_hibernates_and_wakes(rooms: Rooms) -> None:
    """Its object goes, its storage and its connections stay; the next event wakes it."""
    lobby = rooms.room(Tally)
    alice = await lobby.connect("alice")
    await alice.send("first")
    await alice.received()

    await lobby.hibernate()
    assert not lobby.is_live
    assert await lobby.stored() == {"count": 1, "stopped for": "hibernate"}

    await alice.send("second")
    assert await alice.receive() == "2 1"
    await lobby.leave("deploy")
    assert (await lobby.stored())["stopped for"] == "deploy"
    await lobby.wake()
    assert lobby.instance.since_start == 0


async def test_an_idle_room_hibernates_by_itself(rooms: Rooms) -> None:
    """After its `hibernate_after`, unless its class forbids it or it has been busy meanwhile."""
    lobby, kept = rooms.room(Tally), rooms.room(Keeper)
    alice, _ = await lobby.connect("alice"), await kept.connect()

    await rooms.advance(9)
    await alice.send("still here")
    await rooms.advance(9)
    assert lobby.is_live
    await rooms.advance(2)

    assert not lobby.is_live
    assert kept.is_live
    with pytest.raises(AssertionError, match="`hibernate` is False"):
        await kept.hibernate()


async def test_a_room_that_is_old_starts_anew(rooms: Rooms) -> None:
    """As `max_lifetime` says, whether it was idle or not."""
    lobby = rooms.room(Young)
    await lobby.wake()

    await rooms.advance(3599)
    assert lobby.is_live
    await rooms.advance(2)

    assert not lobby.is_live
    assert await lobby.stored() == {"stopped for": "lifetime"}


async def test_alarms_fire_when_the_clock_is_turned(rooms: Rooms) -> None:
    """To the second, each once, in a room that hibernates in between."""
    lobby = rooms.room(Ticker)
    alice = await lobby.connect()
    before = rooms.now

    await alice.send("90")
    [(name, due)] = (await lobby.alarms()).items()
    await rooms.advance(89)
    assert "fired" not in await lobby.stored()
    assert not lobby.is_live
    await rooms.advance(2)

    assert (name, await lobby.alarms()) == ("", {})
    assert 89.9 <= due.timestamp() - before < 95
    assert [fired for fired, _ in (await lobby.stored())["fired"]] == [""]


async def test_a_schedule_fires_at_each_of_its_ticks() -> None:
    """From a time of day that the test has chosen."""
    async with Rooms(now=datetime(2030, 1, 1, 12, 0, 30, tzinfo=UTC)) as rooms:
        lobby = rooms.room(Ticker)
        alice = await lobby.connect()
        await alice.send("every minute")

        await lobby.fire_alarm()
        await rooms.advance(120)

        assert (await lobby.stored())["fired"] == [
            ["minute", f"2030-01-01T12:{minute:02}:00+00:00"] for minute in (1, 2, 3)
        ]
        assert datetime.fromtimestamp(time.time(), UTC).year == 2030


async def test_a_room_without_an_alarm_has_none_to_fire(rooms: Rooms) -> None:
    """That is said, and no time passes."""
    with pytest.raises(AssertionError, match="no alarm"):
        await rooms.room(Ticker).fire_alarm()


async def test_hooks_that_wait_go_on_when_the_clock_is_turned(rooms: Rooms) -> None:
    """Nobody waits for the time to pass: half a minute of a hook takes no time here."""
    lobby = rooms.room(Patient)
    alice = await lobby.connect()
    began_s = time.perf_counter()

    await alice.send("9")
    assert await alice.received() == []
    await rooms.advance(10)
    assert await alice.received() == ["step 0"]
    await rooms.advance(17)

    assert await alice.received() == ["step 1", "step 2"]
    assert time.perf_counter() - began_s < 9


async def test_a_hook_that_takes_too_long_is_cancelled(rooms: Rooms) -> None:
    """After its class's `handler_timeout`, turned or not."""
    alice = await rooms.room(Patient).connect()

    await alice.send("1000")
    await rooms.advance(31)

    assert alice.closed == (1011, "the room took too long")


async def test_a_room_finds_what_a_test_has_stored(rooms: Rooms) -> None:
    """Before it is there; a live room is the only one to write."""
    lobby = rooms.room(Tally)
    await lobby.store({"count": 41})
    alice = await lobby.connect()

    await alice.send("and one more")

    assert (await alice.received())[-1] == "42 1"
    with pytest.raises(AssertionError, match="is live"):
        await lobby.store({"count": 0})


async def test_what_needs_a_live_room_says_so(rooms: Rooms) -> None:
    """And what to do about it."""
    lobby = rooms.room(Tally)

    for call in (lobby.hibernate, lobby.crash, lambda: lobby.leave("deploy")):
        with pytest.raises(AssertionError, match="in no process: send it something"):
            await call()
    with pytest.raises(AssertionError, match="in no process"):
        _ = lobby.instance


async def test_rooms_of_a_class_are_apart(rooms: Rooms) -> None:
    """By their ids, and by their parties."""
    first, second = rooms.room(Tally, "a"), rooms.room(Tally, "b")
    other = rooms.room(Tally, "a", party="main")

    for room in (first, second, other):
        await (await room.connect()).send("one")

    assert [(await room.stored())["count"] for room in (first, second, other)] == [1, 1, 1]


@pytest.mark.parity("room.env")
async def test_edge_hooks_run_and_variables_are_the_tests(rooms: Rooms) -> None:
    """The test says what they are, when it likes."""
    rooms.env["KEY"] = "first"
    room = rooms.room(Guarded, "x", party="main")
    with pytest.raises(Refused) as refused:
        await room.connect("a", query={"key": "wrong"})
    assert (refused.value.status, refused.value.text) == (403, "you do not know the key")
    assert await (await room.connect("b", query={"key": "first"})).receive() == "the key is first"
    rooms.env["KEY"] = "second"
    assert (await rooms.request("GET", "/nowhere")).text == "/nowhere second"
