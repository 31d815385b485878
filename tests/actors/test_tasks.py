"""Tasks that run beside: kept alive, heard of when they raise, ended together."""

from __future__ import annotations

import asyncio
import gc

import pytest
from parlour.actors.tasks import Tasks


async def test_a_task_is_held_while_it_runs() -> None:
    """Whatever the collector of garbage does, and no longer."""
    tasks = Tasks("the test")
    done = asyncio.Event()

    async def work() -> None:
        await asyncio.get_running_loop().create_task(asyncio.sleep(0))
        done.set()

    tasks.spawn(work())
    gc.collect()
    assert len(tasks) == 1
    await done.wait()
    await asyncio.sleep(0)
    assert len(tasks) == 0


async def test_what_a_task_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Under its owner's name, as nobody waits for it."""

    async def fail() -> None:
        raise LookupError("nothing there")

    tasks = Tasks("the test")
    await asyncio.wait([tasks.spawn(fail())])
    await asyncio.sleep(0)
    assert "the test met an error" in caplog.text
    assert "LookupError: nothing there" in caplog.text


async def test_they_end_together(caplog: pytest.LogCaptureFixture) -> None:
    """Which is no error."""
    tasks = Tasks("the test")
    spawned = [tasks.spawn(asyncio.Event().wait()) for _ in range(2)]  # type: ignore[arg-type]
    tasks.cancel()
    await asyncio.wait(spawned)
    await asyncio.sleep(0)
    assert len(tasks) == 0
    assert not caplog.records
