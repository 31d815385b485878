"""Server-sent events as they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from parlour.actors.response import Response
from parlour.actors.server_sent import ServerSentEvent


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (ServerSentEvent("x"), b"data: x\n\n"),
        (ServerSentEvent(), b"data: \n\n"),
        (ServerSentEvent("a\nb\r\nc\rd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (ServerSentEvent("\u2028\x0b", id=""), "id: \ndata: \u2028\x0b\n\n".encode()),
        (
            ServerSentEvent("x", event="tick", id="7", retry=50),
            b"event: tick\nid: 7\nretry: 50\ndata: x\n\n",
        ),
    ],
)
def test_an_event_has_a_line_for_each_of_its_parts(event: ServerSentEvent, sent: bytes) -> None:
    """And for each line of its data: nothing in it begins another event."""
    assert event.encode() == sent


@pytest.mark.parametrize("given", [{"event": "a\nb"}, {"id": "a\rb"}, {"id": "\0"}, {"retry": -1}])
def test_a_part_that_would_end_its_line_is_refused(given: dict[str, Any]) -> None:
    """Where it is given."""
    with pytest.raises(ValueError, match="was given"):
        ServerSentEvent("x", **given)


async def pieces(response: Response) -> list[bytes]:
    """Everything that is sent."""
    return [piece async for piece in response.pieces()]


async def test_events_and_plain_text_are_sent_in_order() -> None:
    """As a stream that no cache keeps and no proxy gathers."""

    async def events() -> AsyncIterator[ServerSentEvent | str]:
        yield "one"
        yield ServerSentEvent("two", id="2")

    response = Response.events(events(), headers={"X-A": "1", "Cache-Control": "no-store"})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers.getall("cache-control") == ["no-store"]
    assert response.headers["x-a"] == "1"
    assert await pieces(response) == [b"data: one\n\n", b"id: 2\ndata: two\n\n"]


async def test_a_silent_stream_is_kept_alive_and_loses_nothing() -> None:
    """Comments come while the next event is waited for."""
    go_on = asyncio.Event()

    async def events() -> AsyncIterator[str]:
        await go_on.wait()
        yield "late"

    stream = Response.events(events(), keep_alive=0.001).pieces()
    assert [await anext(stream) for _ in range(2)] == [b": keep-alive\n\n"] * 2
    go_on.set()
    while (piece := await anext(stream)) == b": keep-alive\n\n":
        pass
    assert piece == b"data: late\n\n"


async def test_the_iterator_ends_with_its_stream() -> None:
    """Wherever it is."""
    ended = []

    async def events() -> AsyncIterator[str]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    stream = Response.events(events(), keep_alive=0.001).pieces()
    assert [await anext(stream) for _ in range(2)] == [b"data: one\n\n", b": keep-alive\n\n"]
    await stream.aclose()
    assert ended == [True]


async def test_an_iterator_that_raises_says_so() -> None:
    """The stream does not end as if that were all."""

    async def events() -> AsyncIterator[str]:
        yield "one"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        await pieces(Response.events(events()))


@pytest.mark.parametrize(
    "events", [["a"], iter("a"), 5, None, len], ids=lambda it: type(it).__name__
)
def test_events_that_are_none_are_refused(events: Any) -> None:
    """Where they are given: the answer would have begun, and been cut."""
    with pytest.raises(TypeError, match="give an async iterator"):
        Response.events(events)


@pytest.mark.parametrize("keep_alive", [0, -1, float("nan")])
def test_a_time_that_is_none_is_refused(keep_alive: float) -> None:
    """In seconds, above 0."""

    async def events() -> AsyncIterator[str]:
        yield "never"

    with pytest.raises(ValueError, match="keep_alive"):
        Response.events(events(), keep_alive=keep_alive)
