"""A room counts what it does, in the numbers of its party."""

from __future__ import annotations

from parlour.actors.frames import Kind

from .staging import Counter, Stage, record


async def test_a_life_is_counted(stage: Stage) -> None:
    """Its wake, what it handled, its flushes, and why it left."""
    room = stage.start(Counter)
    counts = room._counts
    gateway = await stage.attached(1)
    await gateway.done(gateway.text(1, "a"))
    await gateway.done(gateway.text(1, "b"))
    assert counts.events == 3  # the client's connect is the first
    assert sum(counts.wakes.counts) == 1
    assert sum(counts.flushes.counts) == 2
    assert counts.left == {}
    room.leave("hibernate")
    await gateway.until(Kind.GONE)
    assert counts.left == {"hibernate": 1}
    assert (counts.resets, counts.failed_starts, counts.alarms) == (0, 0, 0)


async def test_an_event_that_is_done_already_is_not_counted_again(stage: Stage) -> None:
    """It was, in the process that handled it."""
    room = stage.start(Counter)
    gateway = await stage.attached(1)
    last = gateway.text(1, "a")
    await gateway.done(last)
    room.leave("hibernate")
    await gateway.until(Kind.GONE)
    again = stage.start(Counter, owner="r2")
    gateway.attach(record(1))
    gateway.text(1, "a", sequence=last)
    await gateway.done(gateway.text(1, "b"))
    assert again._counts.events == 1


async def test_a_room_that_is_thrown_out_is_counted(stage: Stage) -> None:
    """As a reset, and not as one that has left."""
    room = stage.start(Counter)
    gateway = await stage.attached(1)
    await gateway.done(gateway.text(1, "a"))
    room.break_off("for a test")
    room.break_off("once more")
    await gateway.until(Kind.GONE)
    assert (room._counts.resets, room._counts.left) == (1, {})


async def test_a_room_that_cannot_start_is_counted(stage: Stage) -> None:
    """And not as one that woke."""

    class Unstartable(Counter):
        async def on_start(self) -> None:
            raise RuntimeError("no")

    room = stage.start(Unstartable)
    await stage.ended()
    assert room._counts.failed_starts == 1
    assert sum(room._counts.wakes.counts) == 0
