"""The clock of rooms under test: what is turned, and that it is given back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import uvloop
from parlour.testing import NotAsyncio, Rooms
from parlour.testing.clock import Clock


@pytest.fixture
async def clock() -> AsyncIterator[Clock]:
    """A clock that has the time of the test's loop."""
    clock = Clock()
    clock.start()
    yield clock
    clock.stop()


async def test_both_clocks_are_turned_as_one(clock: Clock) -> None:
    """The loop's, and the time of day."""
    loop_s, day_s = asyncio.get_running_loop().time(), time.time()

    clock.turn_to(loop_s + 1000)

    assert asyncio.get_running_loop().time() - loop_s == pytest.approx(1000, abs=5)
    assert time.time() - day_s == pytest.approx(1000, abs=5)


async def test_time_never_goes_back(clock: Clock) -> None:
    """A moment that has passed has passed."""
    before_s = clock.time()

    clock.turn_to(before_s - 100)

    assert clock.time() >= before_s


async def test_the_next_timer_is_known(clock: Clock) -> None:
    """Those that were cancelled or are over do not count."""
    loop = asyncio.get_running_loop()
    loop.call_later(50, lambda: None).cancel()
    loop.call_later(200, lambda: None)
    over = loop.call_later(100, lambda: None)
    assert clock.next_timer() == pytest.approx(over.when())

    clock.turn_to(over.when())

    assert clock.next_timer() == pytest.approx(over.when() + 100, abs=1)


async def test_rest_comes_after_what_follows_from_each_other(clock: Clock) -> None:
    """Tasks that start others, and threads; not what waits for time."""
    done: list[object] = []

    async def work(depth: int) -> None:
        await asyncio.sleep(0)
        done.append(depth)
        if depth:
            asyncio.create_task(work(depth - 1))

    asyncio.create_task(work(20))
    job = asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.05)
    asyncio.get_running_loop().call_later(5, done.append, "late")

    await clock.rest(lambda: False)

    assert done == list(range(20, -1, -1))
    assert job.done()


async def test_rooms_that_never_rest_fail_the_test(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of having it wait for ever."""
    monkeypatch.setattr("parlour.testing.clock.BUSY_S_MAX", 0.05)

    with pytest.raises(AssertionError, match="did not come to rest"):
        await clock.rest(lambda: True)


async def test_the_time_is_given_back() -> None:
    """The loop is as it was, and the day too."""
    loop = asyncio.get_running_loop()
    before_s = time.time()
    async with Rooms() as rooms:
        await rooms.advance(100_000)

    assert set(vars(loop)).isdisjoint({"time", "call_soon", "call_at", "run_in_executor"})
    assert time.time() - before_s < 1000


def test_another_kind_of_loop_is_refused() -> None:
    """With what to do about it."""

    async def start() -> None:
        Clock().start()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, pytest.raises(NotAsyncio):
        runner.run(start())
