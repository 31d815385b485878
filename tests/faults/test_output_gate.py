"""Nothing leaves a room before the server has answered for its writes; nor when it never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.frames import Kind
from parlour.actors.live_room import LiveRoom
from parlour.actors.room import Room
from parlour.storage import RedisBackend, RedisConnection
from parlour.storage.redis_commands import ConnectionLimits

from ..actors.staging import Counter, Stage
from ..support.cuttable_link import CuttableLink

DELAY_S = 0.5
PATIENCE_S = 1.0


class RedisStage(Stage):
    """A stage whose rooms keep what they write in a real server."""

    redis: RedisBackend

    def start(self, room_class: type[Room], owner: str = "r1") -> LiveRoom:
        """Start a room over the server."""
        in_memory = self.backend
        self.backend = self.redis  # type: ignore[assignment]
        try:
            return super().start(room_class, owner)
        finally:
            self.backend = in_memory


@pytest.fixture
async def link(valkey_url: str, tmp_path: Path) -> AsyncIterator[CuttableLink]:
    """A link to an empty Valkey whose answers can be held back."""
    async with CuttableLink(tmp_path / "link", valkey_url.removeprefix("unix://")) as link:
        yield link


@pytest.fixture
async def stage(tmp_path: Path, link: CuttableLink) -> AsyncIterator[RedisStage]:
    """Where a room is run, over that link."""
    Counter.diary = []
    stage = RedisStage(tmp_path)
    stage.redis = RedisBackend(
        RedisConnection(link.url, limits=ConnectionLimits(patience_s=PATIENCE_S))
    )
    yield stage
    await stage.close()
    await stage.redis.close()


async def test_no_message_leaves_before_the_server_has_answered(
    stage: RedisStage, link: CuttableLink
) -> None:
    """Each answer of the server takes half a second, and so does each of the room."""
    stage.start(Counter)
    gateway = await stage.attached(1)
    link.reply_delay_s = DELAY_S
    for count in ("1", "2"):
        sent_s = asyncio.get_running_loop().time()
        sequence = gateway.text(1, "hello")
        frames = await gateway.done(sequence)
        assert [f.payload.decode() for f in frames if f.kind is Kind.SEND_TEXT] == [count]
        assert asyncio.get_running_loop().time() - sent_s >= DELAY_S


async def test_nothing_leaves_when_the_flush_fails_for_good(
    stage: RedisStage, link: CuttableLink
) -> None:
    """The room is reset and starts over from what is durable; the event is still its gateway's."""
    stage.start(Counter)
    gateway = await stage.attached(1)
    await gateway.done(gateway.text(1, "durable"))

    link.replies_pass = False
    lost = gateway.text(1, "never confirmed")
    frames = await gateway.until(Kind.GONE)
    assert [frame.kind for frame in frames] == [Kind.GONE]
    assert frames[-1].payload == b"broken"

    link.replies_pass = True
    link.cut()
    stage.start(Counter)
    gateway.attach()
    gateway.text(1, "never confirmed", lost)
    await gateway.done(lost)
    # The server had applied the flush, so the event is not handled again: its effect is there once.
    assert stage.room.owned.durable == stage.room.owned.gate
    assert await stage.room.storage.get("count") == 2
