"""The poll's own tests."""

import pytest
from parlour.testing import Client, Rooms, RoomUnderTest

from examples.poll.poll import Poll

QUESTION = {"ask": "Tea?", "answers": ["yes", "no"], "seconds": 60}


@pytest.fixture
async def room(rooms: Rooms) -> RoomUnderTest[Poll]:
    """A room in which a question was asked."""
    room = rooms.room(Poll, "tea")
    await (await room.connect("host")).send_json(QUESTION)
    return room


async def votes(client: Client) -> list[int]:
    """How it stands, as a client was told last."""
    told: list[int] = (await client.received_json())[-1]["poll"]["votes"]
    return told


async def test_each_has_one_vote_and_may_change_it(room: RoomUnderTest[Poll]) -> None:
    """Everybody sees at once how it stands."""
    alice, bob = await room.connect("alice"), await room.connect("bob")

    await alice.send_json({"vote": 0})
    await bob.send_json({"vote": 0})
    assert await votes(alice) == [2, 0]

    await bob.send_json({"vote": 1})
    await bob.send_json({"vote": 1})
    assert await votes(alice) == [1, 1]


async def test_two_pages_of_one_person_have_one_vote(room: RoomUnderTest[Poll]) -> None:
    """And both stay connected."""
    first = await room.connect(query={"voter": "alice"})
    second = await room.connect(query={"voter": "alice"})

    await first.send_json({"vote": 0})
    await second.send_json({"vote": 1})

    assert await votes(first) == [0, 1]
    assert first.closed is None


async def test_the_alarm_closes_it_though_everybody_has_left(
    rooms: Rooms, room: RoomUnderTest[Poll]
) -> None:
    """The room sleeps long before, and wakes for it; later votes do not count."""
    alice = await room.connect("alice")
    await alice.send_json({"vote": 0})
    await alice.close()
    await rooms.advance(59)
    assert not room.is_live
    assert (await room.stored())["poll"]["open"] is True

    await rooms.advance(2)

    assert (await room.stored())["poll"]["open"] is False
    bob = await room.connect("bob")
    await bob.send_json({"vote": 1})
    assert (await room.request()).json()["poll"]["votes"] == [1, 0]


async def test_a_vote_that_was_shown_is_never_lost(room: RoomUnderTest[Poll]) -> None:
    """Nobody is told of it before it is stored."""
    alice = await room.connect("alice")
    await alice.received()

    with room.held_writes():
        await alice.send_json({"vote": 0})
        assert await alice.received() == []
        await room.crash()

    assert await votes(alice) == [1, 0]
    assert (await room.stored())["vote:alice"] == 0


@pytest.mark.parametrize(
    "nonsense",
    [
        "no JSON",
        "[1]",
        '{"vote": 7}',
        '{"vote": true}',
        '{"vote": "0"}',
        '{"ask": "again?", "answers": ["a", "b"]}',
    ],
)
async def test_nonsense_changes_nothing(room: RoomUnderTest[Poll], nonsense: str) -> None:
    """It is not answered either."""
    alice = await room.connect("alice")
    before = await room.stored()
    await alice.received()

    await alice.send(nonsense)

    assert await alice.received() == []
    assert await room.stored() == before


@pytest.mark.parametrize(
    "question",
    [
        {"ask": "One?", "answers": ["only"]},
        {"ask": "No answers?"},
        {"ask": "Never?", "answers": ["a", "b"], "seconds": 0},
        {"ask": "Long?", "answers": ["a", "b"], "seconds": 10**9},
    ],
)
async def test_a_question_that_cannot_be_asked_is_not(
    rooms: Rooms, question: dict[str, object]
) -> None:
    """The room waits for a better one."""
    room = rooms.room(Poll, "silence")

    await (await room.connect()).send_json(question)

    assert (await room.request()).json()["poll"] is None
