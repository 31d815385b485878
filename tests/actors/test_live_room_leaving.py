"""A room that leaves in good order: nothing is lost, nothing is handled twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from parlour.actors.frames import Kind
from parlour.actors.lifecycle import State

from .staging import Counter, Diary, Stage, record, until


async def test_an_idle_room_hibernates_with_all_it_wrote(stage: Stage) -> None:
    """on_stop, then the flush, then the gateways: all is done, the room is gone."""

    class Tidy(Counter):
        async def on_stop(self, reason: str) -> None:
            super().on_stop(reason)
            self.storage.put("stopped", reason)

    room = stage.start(Tidy)
    gateway = await stage.attached(1)
    last = gateway.text(1, "a")
    await gateway.done(last)
    assert room.idle
    room.leave("hibernate")
    frames = await gateway.until(Kind.GONE)
    assert [frame.payload for frame in frames] == [b""]
    await stage.ended()
    assert (room.state, stage.absent) == (State.ABSENT, [room])
    assert Tidy.diary[-1] == ("stop", "hibernate")
    assert await stage.stored("count") == 1
    assert await stage.stored("stopped") == "hibernate"

    stage.start(Tidy, owner="r2")
    gateway.attach(record(1))
    gateway.text(1, "b")
    assert (await gateway.until(Kind.SEND_TEXT))[-1].payload == b"2"


async def test_a_busy_room_does_not_hibernate(stage: Stage) -> None:
    """The order is for a room that was idle when it was given; a deploy's is for any."""
    going_on = asyncio.Event()

    class Busy(Diary):
        async def on_message(self, connection: Any, message: Any) -> None:
            super().on_message(connection, message)
            await going_on.wait()

    room = stage.start(Busy)
    gateway = await stage.attached(1)
    first = gateway.text(1, "a")
    await until(lambda: Busy.diary[-1] == ("c1", "a"))
    assert not room.idle
    room.leave("hibernate")
    going_on.set()
    await gateway.done(first)
    await gateway.done(gateway.text(1, "b"))
    assert room.state is State.LIVE

    room.leave("deploy")
    room.leave("shutdown")
    await gateway.until(Kind.GONE)
    assert Busy.diary[-1] == ("stop", "deploy")


async def test_the_event_in_hand_is_finished_and_those_behind_it_are_left(stage: Stage) -> None:
    """What was not begun stays with its gateway, and is handled once, by the next start."""
    going_on = asyncio.Event()

    class Chat(Counter):
        async def on_message(self, connection: Any, message: Any) -> None:
            if message == "a":
                await going_on.wait()
            super().on_message(connection, message)

    room = stage.start(Chat)
    gateway = await stage.attached(1)
    first = gateway.text(1, "a")
    second = gateway.text(1, "b")
    await until(lambda: "1 queued" in repr(room))
    room.leave("deploy")
    going_on.set()
    frames = await gateway.until(Kind.GONE)
    assert [frame.sequence for frame in frames if frame.kind is Kind.DONE] == [first]
    await stage.ended()

    stage.start(Chat, owner="r2")
    gateway.attach(record(1))
    await gateway.done(gateway.text(1, "b", second))
    assert [entry for entry in Chat.diary if entry[0] == "c1"] == [("c1", "a"), ("c1", "b")]


async def test_an_event_that_races_hibernation_is_handled_once_by_the_next_start(
    stage: Stage,
) -> None:
    """Whichever turn of the loop it arrives in."""
    stage.start(Counter)
    gateway = await stage.attached(1)
    for turns in range(12):
        room = stage.room
        room.leave("hibernate")
        for _ in range(turns):
            await asyncio.sleep(0)
        sequence = gateway.text(1, f"turn {turns}")
        frames = await gateway.until(Kind.GONE)
        await stage.ended()
        stage.start(Counter, owner=f"r{turns + 2}")
        gateway.attach(record(1))
        if not any(f.kind is Kind.DONE and f.sequence >= sequence for f in frames):
            gateway.text(1, f"turn {turns}", sequence)
        else:
            pytest.fail("a room that leaves began another event")
        frames = await gateway.done(sequence)
        sent = [frame.payload for frame in frames if frame.kind is Kind.SEND_TEXT]
        assert sent == [str(turns + 1).encode()]


async def test_a_gateway_that_attaches_while_the_room_leaves_is_told_that_it_is_gone(
    stage: Stage,
) -> None:
    """Nobody is left attached to a room that is not there."""
    room = stage.start(Counter)
    gateway = await stage.attached(1)
    stage.backend.hold()
    gateway.text(1, "a")
    await asyncio.wait_for(stage.backend.asked.wait(), 5)
    room.leave("deploy")
    await until(lambda: room.state is State.DRAINING)
    late = await stage.gateway("g2")
    late.attach()
    late.connect(1)
    await until(lambda: "1 queued" in repr(room))
    assert late.inbox.left() == []
    stage.backend.go_on()
    assert [frame.kind for frame in await late.until(Kind.GONE)] == [Kind.GONE]


async def test_an_on_stop_that_raises_does_not_keep_the_room(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; what was written is stored all the same."""

    class Faulty(Counter):
        def on_stop(self, reason: str) -> None:
            self.storage.put("count", 10)
            raise RuntimeError("no")

    room = stage.start(Faulty)
    gateway = await stage.attached(1)
    room.leave("shutdown")
    assert (await gateway.until(Kind.GONE))[-1].payload == b""
    await stage.ended()
    assert await stage.stored("count") == 10
    assert "party chat, room lobby: on_stop raised" in caplog.text
