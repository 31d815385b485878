"""What is in hand: one event or, interleaved, several; each for a limited time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from parlour.actors.frames import Kind
from parlour.actors.lifecycle import State

from .staging import Diary, Stage, record, until


async def test_one_event_is_handled_at_a_time(stage: Stage) -> None:
    """The next one begins when the handler has returned, whatever it awaits."""
    going_on = asyncio.Event()

    class Chat(Diary):
        async def on_message(self, connection: Any, message: Any) -> None:
            self.diary.append(f"begin {message}")
            await going_on.wait()
            self.diary.append(f"end {message}")

    stage.start(Chat)
    gateway = await stage.attached(1, 2)
    gateway.text(1, "a")
    last = gateway.text(2, "b")
    await until(lambda: "1 queued" in repr(stage.room))
    assert Chat.diary[-1] == "begin a"
    going_on.set()
    await gateway.done(last)
    assert Chat.diary[-4:] == ["begin a", "end a", "begin b", "end b"]


async def test_a_hook_that_takes_too_long_is_cancelled_and_its_client_told(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """504 for a request, 1011 for a message, also if the hook swallows the cancellation."""

    class Slow(Diary):
        handler_timeout = 2.0

        async def on_message(self, connection: Any, message: Any) -> None:
            self.diary.append("begin")
            if message != "quick":
                with contextlib.suppress(
                    asyncio.CancelledError if message == "swallow" else ZeroDivisionError
                ):
                    await asyncio.Event().wait()
            super().on_message(connection, message)

        async def on_request(self, request: Any) -> None:
            self.diary.append("begin")
            await asyncio.Event().wait()

    room = stage.start(Slow)
    gateway = await stage.attached(1, 2, 3)
    for number, message in ((1, "hang"), (2, "swallow")):
        sequence = gateway.text(number, message)
        await until(lambda: Slow.diary[-1] == "begin")
        stage.now_s += 1.9
        room.check_time()
        await asyncio.sleep(0)
        stage.now_s += 0.2
        room.check_time()
        room.check_time()
        frames = await gateway.done(sequence)
        assert [f.number for f in frames if f.kind is Kind.CLOSE] == [number]
        Slow.diary.append("next")
    gateway.request(9)
    await until(lambda: Slow.diary[-1] == "begin")
    stage.now_s += 2.0
    room.check_time()
    assert (await gateway.answer())[0] == 504
    await gateway.done(gateway.text(3, "quick"))
    assert Slow.diary[-1] == ("c3", "quick")
    assert caplog.text.count("a hook took longer than 2 s and was cancelled") == 3
    assert room.state is State.LIVE


async def test_interleaved_events_begin_while_others_wait(stage: Stage) -> None:
    """In their order; an event is done when all before it are."""
    going_on = {"a": asyncio.Event(), "b": asyncio.Event()}

    class Chat(Diary):
        interleave = True

        async def on_message(self, connection: Any, message: Any) -> None:
            self.diary.append(f"begin {message}")
            await going_on[message].wait()
            self.diary.append(f"end {message}")

    stage.start(Chat)
    gateway = await stage.attached(1)
    first, second = gateway.text(1, "a"), gateway.text(1, "b")
    await until(lambda: Chat.diary[-1] == "begin b")
    assert not stage.room.idle
    going_on["b"].set()
    await until(lambda: Chat.diary[-1] == "end b")
    for _ in range(10):
        await asyncio.sleep(0)
    assert [f for f in gateway.inbox.left() if f.sequence >= first] == []
    going_on["a"].set()
    await gateway.done(second)
    assert Chat.diary[-4:] == ["begin a", "begin b", "end b", "end a"]


async def test_interleaved_events_are_finished_before_the_room_leaves(stage: Stage) -> None:
    """The one in hand ends: with interleave, all that have begun."""
    going_on = asyncio.Event()

    class Chat(Diary):
        interleave = True

        async def on_message(self, connection: Any, message: Any) -> None:
            self.diary.append(f"begin {message}")
            await going_on.wait()
            self.storage.put(message, True)

    stage.start(Chat)
    gateway = await stage.attached(1)
    gateway.text(1, "a")
    gateway.text(1, "b")
    await until(lambda: Chat.diary[-1] == "begin b")
    stage.room.leave("deploy")
    await asyncio.sleep(0)
    assert ("stop", "deploy") not in Chat.diary
    going_on.set()
    await gateway.until(Kind.GONE)
    await stage.ended()
    assert Chat.diary[-1] == ("stop", "deploy")
    assert (await stage.stored("a"), await stage.stored("b")) == (True, True)


async def test_an_event_that_waits_for_interleaved_ones_has_all_of_its_time(stage: Stage) -> None:
    """Its time begins with its hook: one that is handled alone waits for those under way."""
    going_on = asyncio.Event()

    class Chat(Diary):
        interleave = True
        handler_timeout = 2.0

        async def on_message(self, connection: Any, message: Any) -> None:
            self.diary.append(f"begin {message}")
            await going_on.wait()
            self.diary.append(f"end {message}")

    room = stage.start(Chat)
    gateway = await stage.attached(1)
    gateway.text(1, "beside")
    await until(lambda: Chat.diary[-1] == "begin beside")
    returning = await stage.gateway("g2")
    returning.attach(record(1, "c2"), careful_until=3)
    returning.text(1, "alone")
    await until(
        lambda: (
            "g2" in repr(list(room.attachments)) and len(room.attachments.open_connections()) == 2
        )
    )
    for _ in range(20):
        await asyncio.sleep(0)
    stage.now_s += 1.9
    going_on.set()
    going_on.clear()
    await until(lambda: Chat.diary[-1] == "begin alone")
    stage.now_s += 1.9
    room.check_time()
    going_on.set()
    await returning.done(1)
    assert Chat.diary[-1] == "end alone"
