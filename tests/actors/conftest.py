"""What the tests of rooms share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .staging import Counter, Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Where a room is run; it is taken down after the test, whatever its state."""
    Counter.diary = []
    stage = Stage(tmp_path)
    yield stage
    await stage.close()
