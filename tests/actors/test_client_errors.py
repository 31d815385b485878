"""What a room hears of clients that do wrong, or do not read."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors import messages
from parlour.actors.connection import ClientError
from parlour.actors.frames import Kind, pack_amount
from parlour.actors.messages import Closed, ConnectionRecord

from .staging import Diary, Stage, record


class Strict(Diary):
    """Writes down what its clients do wrong; says how much waits for the one that asks."""

    def on_error(self, connection: Any, error: ClientError) -> Any:
        self.diary.append(("error", connection.id, error.code, str(error)))
        if connection.id == "c2":
            raise RuntimeError("secret of on_error")

    def on_message(self, connection: Any, message: Any) -> Any:
        connection.send(str(connection.buffered_bytes))


@pytest.fixture(autouse=True)
def new_diary() -> None:
    Strict.diary = []


@pytest.mark.parametrize("number", [1, 2])
async def test_a_client_that_broke_a_rule_is_an_error_and_then_a_close(
    stage: Stage, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In that order, each once; on_close runs also if on_error raises, which is logged."""
    stage.start(Strict)
    gateway = await stage.attached(number)
    closed = Closed(1006, "", False, 1009, "a message has at most 10 bytes")
    await gateway.done(gateway.send(Kind.CLOSED, number, messages.encode(closed)))
    name = f"c{number}"
    assert Strict.diary[2:] == [
        ("error", name, 1009, "a message has at most 10 bytes"),
        ("close", name, 1006, False),
    ]
    assert ("on_error raised" in caplog.text) == (number == 2)


async def test_a_client_that_only_left_is_no_error(stage: Stage) -> None:
    """Nor is one that was lost."""
    stage.start(Strict)
    gateway = await stage.attached(1, 2)
    gateway.close(1)
    lost = messages.encode(Closed(1006, "", False))
    await gateway.done(gateway.send(Kind.CLOSED, 2, lost))
    assert [entry[0] for entry in Strict.diary[1:]] == ["connect", "connect", "close", "close"]


async def test_a_room_sees_how_much_waits_for_a_client(stage: Stage) -> None:
    """As its gateway has last said, which is not in the way of events; also after a wake."""

    async def seen(number: int) -> bytes:
        frames = await gateway.done(gateway.text(number, "?"))
        return next(frame.payload for frame in frames if frame.kind is Kind.SEND_TEXT)

    stage.start(Strict)
    gateway = await stage.attached(1)
    assert await seen(1) == b"0"
    gateway.aside(Kind.BUFFERED, 1, pack_amount(70_000))
    gateway.aside(Kind.BUFFERED, 99, pack_amount(1))
    assert await seen(1) == b"70000"
    stage.room.leave("deploy")
    await gateway.until(Kind.GONE)
    await stage.ended()
    stage.start(Strict)
    kept: ConnectionRecord = record(1)
    kept.buffered_bytes = 140_000
    gateway.attach(kept)
    assert await seen(1) == b"140000"
