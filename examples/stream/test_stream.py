"""The stream's own tests."""

import asyncio

from parlour.testing import Answer, Rooms, RoomUnderTest

from examples.stream.stream import PROMPTS_MAX, WINDOW_S, Stream


async def ask(rooms: Rooms, room: RoomUnderTest[Stream], prompt: str) -> Answer:
    """The whole answer to a prompt, without waiting for its words."""
    asking = asyncio.create_task(room.request(query={"prompt": prompt}))
    while not asking.done():
        await rooms.advance(1)
    return await asking


async def test_an_answer_comes_as_events(rooms: Rooms) -> None:
    """A word each, and one that says that it is whole; then it is part of the conversation."""
    room = rooms.room(Stream, "me")

    answer = await ask(rooms, room, "hello")

    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.strip().split("\n\n")
    assert [event.split("\n")[0] for event in (events[0], events[-1])] == [
        "event: word",
        "event: done",
    ]
    words = [event.removeprefix("event: word\ndata: ") for event in events[:-1]]
    turns = (await room.request()).json()["turns"]
    assert turns == [{"prompt": "hello", "answer": " ".join(words)}]
    assert "“hello”" in turns[0]["answer"]


async def test_words_take_their_time(rooms: Rooms) -> None:
    """The room answers others while it streams."""
    room = rooms.room(Stream, "me")
    asking = asyncio.create_task(room.request(query={"prompt": "slowly"}))
    await rooms.rest()

    assert (await room.request()).json() == {"turns": []}
    assert not asking.done()
    await rooms.advance(10)
    assert (await asking).status == 200


async def test_too_many_prompts_have_to_wait(rooms: Rooms) -> None:
    """429 says how long; a room that has slept meanwhile has not forgotten."""
    room, other = rooms.room(Stream, "me"), rooms.room(Stream, "other")
    for number in range(PROMPTS_MAX):
        assert (await ask(rooms, room, f"{number}")).status == 200
    await room.hibernate()

    refused = await ask(rooms, room, "one too many")

    assert refused.status == 429
    wait_s = int(refused.headers["retry-after"])
    assert 0 < wait_s <= WINDOW_S
    assert (await ask(rooms, other, "hello")).status == 200
    await rooms.advance(wait_s)
    assert (await ask(rooms, room, "now")).status == 200
