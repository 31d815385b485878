"""What a room may have asked of others at one time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from parlour.actors import calls as calls_module
from parlour.actors.call_errors import CallError, CallTimeout, RoomUnavailable
from parlour.actors.calls import Question, RoomCalls
from parlour.actors.gates import OutputGate
from parlour.actors.messages import RoomKey

KEY = RoomKey("p", "r")


class Line:
    """Keeps what it is asked."""

    parties: Collection[str] = ("p",)

    def __init__(self) -> None:
        self.questions: list[Question] = []

    def ask(self, question: Question) -> None:
        self.questions.append(question)


class Disk:
    """Says what is durable."""

    gate = 0
    durable = 0


class Stage:
    def __init__(self) -> None:
        self.line, self.disk = Line(), Disk()
        self.output = OutputGate(self.disk)
        self.calls = RoomCalls(self.line, lambda: self.output)

    def call(self, arguments: bytes = b"", timeout_s: float = 10.0) -> asyncio.Future[object]:
        return self.calls.call(KEY, "m", arguments, timeout_s)


@pytest.fixture
async def stage() -> Stage:
    """A room that may call others."""
    return Stage()


async def test_a_call_waits_for_earlier_writes(stage: Stage) -> None:
    """One after the other leaves when they are durable; one that has expired does not."""
    stage.disk.gate = 1
    first, expired, last = stage.call(), stage.call(timeout_s=0.001), stage.call()
    with pytest.raises(CallTimeout):
        await expired
    assert stage.line.questions == []
    stage.disk.durable = 1
    stage.output.release()
    assert [question.answer for question in stage.line.questions] == [first, last]


async def test_a_room_has_so_many_unanswered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in bytes; an answer makes room."""
    monkeypatch.setattr(calls_module, "UNANSWERED_MAX", 2)
    monkeypatch.setattr(calls_module, "UNANSWERED_BYTES_MAX", 500)
    first = stage.call(b"x" * 300)
    with pytest.raises(RoomUnavailable, match="take 3.. bytes, with this one over 500"):
        stage.call(b"x" * 300)
    stage.call()
    with pytest.raises(RoomUnavailable, match="2 calls of this room wait"):
        stage.call()
    stage.line.questions[0].failed(CallError("over"))
    with pytest.raises(CallError, match="over"):
        await first
    await asyncio.sleep(0)
    stage.call(b"x" * 300)


async def test_a_cancelled_call_is_forgotten(stage: Stage) -> None:
    """Its answer is nobody's."""
    call = stage.call()
    assert stage.calls.busy
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.sleep(0)
    assert not stage.calls.busy
    stage.line.questions[0].answered(b"whatever")


async def test_a_room_that_has_left_asks_nothing(stage: Stage) -> None:
    """What it waited for fails, and what it asks from now on."""
    waiting = stage.call()
    stage.calls.end()
    with pytest.raises(CallError, match="has left its process"):
        await waiting
    with pytest.raises(CallError, match="has left its process"):
        stage.call()


async def test_without_a_gateway_no_room_can_be_called(stage: Stage) -> None:
    """And the error says so."""
    calls = RoomCalls(None, lambda: stage.output)
    with pytest.raises(CallError, match="no gateway is there"):
        calls.call(KEY, "m", b"", 1.0)
