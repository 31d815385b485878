"""What a room actor notes while somebody follows it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from parlour.actors import watch as watch_module
from parlour.actors.frames import Kind
from parlour.actors.watch import CONTENTS_BYTES_MAX, Seen, Watch, Watching

from .staging import Counter, Diary, Stage, until

log = logging.getLogger("a.room.of.a.user")


@pytest.fixture
def watch(stage: Stage) -> Iterator[Watch]:
    """That of the process, which somebody follows."""
    stage.watch.set(Watching(True))
    yield stage.watch
    stage.watch.set(Watching(False))


def seen(watch: Watch) -> list[Seen]:
    """What was noted so far."""
    batch = watch.take()
    return [] if batch is None else batch.seen


async def test_each_event_is_noted_with_who_and_how_large(stage: Stage, watch: Watch) -> None:
    """When it has been handled, and without its contents."""
    stage.start(Counter)
    gateway = await stage.attached(1)
    await gateway.done(gateway.text(1, "hello"))
    connect, message = seen(watch)
    assert (connect.kind, connect.party, connect.room, connect.who) == (
        "connect",
        "chat",
        "lobby",
        "c1",
    )
    assert (message.kind, message.who, message.size_bytes) == ("message", "c1", 5)
    assert message.text == ""
    assert 0 <= message.duration_s < 5.0
    assert connect.at_s <= message.at_s
    assert watch.take() is None


async def test_contents_are_shown_to_who_asks_for_them(stage: Stage, watch: Watch) -> None:
    """So much of them; bytes that are no text as Python writes them."""
    watch.set(Watching(True, contents=True))

    class Quiet(Diary):
        pass

    stage.start(Quiet)
    gateway = await stage.attached(1)
    gateway.text(1, "hällo")
    gateway.text(1, "ä" * CONTENTS_BYTES_MAX)
    gateway.text(1, "x" + "ä" * CONTENTS_BYTES_MAX)  # cut in the middle of a character
    await gateway.done(gateway.send(Kind.BINARY, 1, b"\xff\x00"))
    texts = [each.text for each in seen(watch) if each.kind == "message"]
    assert texts == [
        "hällo",
        "ä" * (CONTENTS_BYTES_MAX // 2),
        "x" + "ä" * (CONTENTS_BYTES_MAX // 2 - 1),
        r"b'\xff\x00'",
    ]


async def test_a_request_is_noted_with_its_method_and_path(stage: Stage, watch: Watch) -> None:
    """Its size is that of its body."""
    stage.start(Counter)
    gateway = await stage.attached()
    await gateway.done(gateway.request(2, "POST", b"body"))
    [request] = seen(watch)
    assert (request.kind, request.who, request.size_bytes) == ("request", "POST /x", 4)


async def test_log_lines_are_those_of_the_room_whose_hook_wrote_them(
    stage: Stage, watch: Watch
) -> None:
    """Also from a task or a thread that it started; what it raises is an error with its reason."""

    class Logging(Diary):
        async def on_message(self, connection: Any, message: Any) -> None:
            log.warning("in the %s", "hook")
            await asyncio.create_task(self.later())
            await asyncio.to_thread(log.warning, "in a thread")
            raise ValueError("what is wrong")

        async def later(self) -> None:
            log.warning("in a task")

    stage.start(Logging)
    gateway = await stage.attached(1)
    await gateway.done(gateway.text(1, "x"))
    log.warning("of the process")
    lines = [each for each in seen(watch) if each.kind in ("log", "error")]
    assert [(line.kind, line.room, line.who, line.text) for line in lines] == [
        ("log", "lobby", "WARNING", "in the hook"),
        ("log", "lobby", "WARNING", "in a task"),
        ("log", "lobby", "WARNING", "in a thread"),
        (
            "error",
            "lobby",
            "ERROR",
            "party chat, room lobby: on_message raised: ValueError: what is wrong",
        ),
        ("log", "", "WARNING", "of the process"),
    ]


async def test_interleaved_events_are_noted_too(stage: Stage, watch: Watch) -> None:
    """Each when it has ended."""
    going_on = asyncio.Event()

    class Interleaved(Diary):
        interleave = True

        async def on_message(self, connection: Any, message: Any) -> None:
            if message == "wait":
                await going_on.wait()
            going_on.set()

    stage.start(Interleaved)
    gateway = await stage.attached(1)
    gateway.text(1, "wait")
    await gateway.done(gateway.text(1, "go"))
    assert [each.size_bytes for each in seen(watch) if each.kind == "message"] == [2, 4]


async def test_nothing_is_noted_while_nobody_follows(stage: Stage, watch: Watch) -> None:
    """What was not sent by the end is dropped, and the log is not listened to any more."""
    stage.start(Counter)
    gateway = await stage.attached(1)
    await gateway.done(gateway.text(1, "a"))
    handlers = len(logging.getLogger().handlers)
    watch.set(Watching(False))
    assert len(logging.getLogger().handlers) == handlers - 1
    await gateway.done(gateway.text(1, "b"))
    log.error("unheard")
    watch.set(Watching(False))
    assert watch.take() is None


async def test_what_there_is_no_place_for_is_counted(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And dropped: nobody waits for those who look."""
    monkeypatch.setattr(watch_module, "SEEN_MAX", 2)
    for number in range(5):
        watch.note(Seen("message", float(number)))
    batch = watch.take()
    assert batch is not None
    assert [each.at_s for each in batch.seen] == [0.0, 1.0]
    assert batch.dropped == 3
    watch.note(Seen("message", 6.0))
    assert [each.at_s for each in seen(watch)] == [6.0]


async def test_a_reset_room_shows_the_event_that_it_had_in_hand(stage: Stage, watch: Watch) -> None:
    """With the time it had taken until then."""

    class Stuck(Diary):
        async def on_message(self, connection: Any, message: Any) -> None:
            super().on_message(connection, message)
            await asyncio.Event().wait()

    room = stage.start(Stuck)
    gateway = await stage.attached(1)
    gateway.text(1, "a")
    await until(lambda: Stuck.diary[-1] == ("c1", "a"))
    room.break_off("for a test")
    await gateway.until(Kind.GONE)
    kinds = [each.kind for each in seen(watch)]
    assert kinds[0] == "connect"
    assert "message" in kinds
