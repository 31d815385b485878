"""A room that breaks: silent from then on, and gone soon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest
from parlour.actors.frames import Kind
from parlour.actors.lifecycle import State
from parlour.storage import StorageError, StorageReset

from .staging import Counter, Diary, Stage, record, until


async def test_a_flush_that_fails_resets_the_room(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody sees the effect of the lost write, and the next start finds what is durable."""
    room = stage.start(Counter)
    gateway = await stage.attached(1)
    await gateway.done(gateway.text(1, "kept"))
    stage.backend.problem = StorageError("the disk is full")
    lost = gateway.text(1, "lost")
    frames = await gateway.until(Kind.GONE)
    assert [frame.kind for frame in frames] == [Kind.GONE]
    assert frames[0].payload == b"broken"
    await stage.ended()
    assert (room.state, stage.absent) == (State.ABSENT, [room])
    assert "room chat/lobby is reset" in caplog.text

    stage.backend.problem = None
    stage.start(Counter, owner="r2")
    gateway.attach(record(1))
    gateway.text(1, "lost", lost)
    assert (await gateway.until(Kind.SEND_TEXT))[-1].payload == b"2"


@pytest.mark.parametrize("stubborn", [False, True], ids=["cancelled", "swallows its cancellation"])
async def test_a_room_that_is_broken_off_is_silent_and_stores_nothing_more(
    stage: Stage, stubborn: bool
) -> None:
    """Whatever its hook does about it; its gateways still hold what was not done."""
    going_on = asyncio.Event()
    refused: list[StorageError] = []

    class Chat(Counter):
        async def on_message(self, connection: Any, message: Any) -> None:
            self.diary.append(message)
            if message != "wait":
                connection.send("zombie")
                return
            with contextlib.suppress(asyncio.CancelledError if stubborn else ZeroDivisionError):
                try:
                    await going_on.wait()
                finally:
                    connection.send("never")
                    self.broadcast("never")
                    try:
                        self.storage.put("count", 99)
                    except StorageReset as error:
                        refused.append(error)

    room = stage.start(Chat)
    gateway = await stage.attached(1)
    gateway.text(1, "wait")
    gateway.text(1, "next")
    await until(lambda: "1 queued" in repr(room))
    room.break_off("the test says so")
    assert room.state is State.BROKEN
    frames = await gateway.until(Kind.GONE)
    assert [(frame.kind, frame.payload) for frame in frames] == [(Kind.GONE, b"broken")]
    await stage.ended()
    assert (room.state, stage.absent) == (State.ABSENT, [room])
    assert len(refused) == 1
    assert "next" not in Chat.diary
    assert await stage.stored("count") is None


async def test_a_broken_room_gives_its_claim_back(stage: Stage) -> None:
    """Its process may live on: another one must be able to take the room at once."""
    room = stage.start(Counter)
    gateway = await stage.attached(1)
    room.break_off("the test says so")
    await stage.ended()
    await gateway.until(Kind.GONE)
    stage.start(Counter, owner="r2")
    gateway.attach(record(1))
    assert [frame.kind for frame in await gateway.until(Kind.READY)] == [Kind.READY]


async def test_what_waits_at_the_gate_is_dropped_when_the_room_breaks(stage: Stage) -> None:
    """Also if the flush that it waited for lands after all."""
    room = stage.start(Counter)
    gateway = await stage.attached(1)
    stage.backend.hold()
    gateway.text(1, "a")
    await asyncio.wait_for(stage.backend.asked.wait(), 5)
    room.break_off("the test says so")
    stage.backend.go_on()
    assert [frame.kind for frame in await gateway.until(Kind.GONE)] == [Kind.GONE]


@pytest.mark.parametrize("where", ["claim", "on_start"])
async def test_a_room_that_breaks_while_it_wakes_is_gone(stage: Stage, where: str) -> None:
    """A gateway that has attached by then is told."""

    class Slow(Diary):
        async def on_start(self) -> None:
            super().on_start()
            await asyncio.Event().wait()

    gateway = await stage.gateway()
    room = stage.start(Slow)
    gateway.attach()
    if where == "on_start":
        await until(lambda: Slow.diary == ["start"])
    room.break_off("the test says so")
    room.break_off("and again")
    await stage.ended()
    assert (room.state, stage.absent) == (State.ABSENT, [room])
    if where == "on_start":
        assert [f.payload for f in await gateway.until(Kind.GONE)] == [b"broken"]
    room.break_off("long after")
    assert room.state is State.ABSENT


async def test_breaking_an_absent_room_does_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is there to be reset, and nothing is logged."""
    room = stage.start(Counter)
    gateway = await stage.attached(1)
    room.leave("shutdown")
    await gateway.until(Kind.GONE)
    await stage.ended()
    with caplog.at_level(logging.ERROR):
        room.break_off("too late")
    assert caplog.records == []


async def test_a_hook_that_cancels_its_own_task_loses_its_room_and_no_event(stage: Stage) -> None:
    """The gateway is told, and sends the event again; the room is not left half alive."""

    class Chat(Diary):
        async def on_message(self, connection: Any, message: Any) -> None:
            super().on_message(connection, message)
            task = asyncio.current_task()
            assert task is not None
            if len(self.diary) < 4:
                task.cancel()
                await asyncio.sleep(0)

    stage.start(Chat)
    gateway = await stage.attached(1)
    sequence = gateway.text(1, "a")
    assert [f.payload for f in await gateway.until(Kind.GONE)] == [b"broken"]
    await stage.ended()
    stage.start(Chat, owner="r2")
    gateway.attach(record(1))
    await gateway.done(gateway.text(1, "a", sequence))
    assert Chat.diary.count(("c1", "a")) == 2
