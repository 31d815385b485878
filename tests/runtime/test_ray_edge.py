"""What an edge's process says of itself; what it does as a Ray actor is in tests/system."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from parlour.runtime.ray_edge import say_when_blocked

from ..actors.staging import until


async def test_who_blocks_the_event_loop_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once for each time, with how long it was and what to do."""
    with caplog.at_level(logging.WARNING):
        watching = asyncio.create_task(say_when_blocked(0.05))
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251
        await until(lambda: bool(caplog.records))
        watching.cancel()
    [record] = caplog.records
    assert "held up all others for 0." in record.getMessage()
    assert "run as `def`" in record.getMessage()
