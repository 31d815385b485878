"""Events that come again after a death, and claims: handled once, by one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from parlour.actors import messages
from parlour.actors.close_codes import SERVICE_RESTART
from parlour.actors.frames import Kind, unpack_close
from parlour.actors.lifecycle import State
from parlour.actors.messages import Refused

from .staging import Counter, Stage, record, until


async def test_an_event_whose_writes_are_durable_is_not_handled_again(stage: Stage) -> None:
    """The claim knows how far the room had got with each gateway; the gateway is told so."""
    stage.start(Counter)
    gateway = await stage.attached(1)
    first = gateway.text(1, "a")
    await gateway.done(first)
    stage.room.break_off("its process is killed before the gateway heard more")
    await gateway.until(Kind.GONE)
    await stage.ended()

    stage.start(Counter, owner="r1")
    gateway.attach(record(1))
    gateway.text(1, "a", first)
    second = gateway.text(1, "b")
    frames = await gateway.done(second)
    assert [frame.payload for frame in frames if frame.kind is Kind.SEND_TEXT] == [b"2"]
    assert [message for _, message in Counter.diary[1:]] == ["a", "b"]


async def test_a_durable_event_that_comes_again_alone_is_reported_done(stage: Stage) -> None:
    """Else its gateway would keep it, and wake the room for it, for ever."""
    stage.start(Counter)
    gateway = await stage.attached(1)
    first = gateway.text(1, "a")
    await gateway.done(first)
    stage.room.leave("deploy")
    await gateway.until(Kind.GONE)
    await stage.ended()
    stage.start(Counter, owner="r2")
    gateway.attach(record(1))
    gateway.text(1, "a", first)
    await gateway.done(first)
    assert Counter.diary.count(("c1", "a")) == 1


async def test_progress_is_kept_for_each_gateway(stage: Stage) -> None:
    """The numbers of one say nothing about the events of another."""
    stage.start(Counter)
    first = await stage.attached(1)
    for _ in range(3):
        last = first.text(1, "a")
    await first.done(last)
    second = await stage.attached(2, gateway_id="g2")
    await second.done(second.text(2, "b"))
    assert Counter.diary.count(("c2", "b")) == 1


async def test_a_client_is_let_in_although_its_connect_was_durable_when_the_room_died(
    stage: Stage,
) -> None:
    """The room died between the flush of on_connect and the word to the gateway.

    on_connect is not run again, but the client must not wait for ever, nor be unknown.
    """

    class Visitors(Counter):
        def on_connect(self, connection: Any, request: Any) -> None:
            super().on_connect(connection, request)
            self.storage.put("visitors", 1)

    stage.start(Visitors)
    gateway = await stage.attached()
    connect = gateway.connect(1)
    await gateway.done(connect)
    stage.room.break_off("its process is killed before the gateway heard of it")
    await gateway.until(Kind.GONE)
    await stage.ended()

    stage.start(Visitors, owner="r1")
    gateway.attach()  # without the connection: its CONNECT is not done
    gateway.connect(1, sequence=connect)
    frames = await gateway.until(Kind.ACCEPT)
    assert Kind.TAKEN in {frame.kind for frame in frames}
    gateway.text(1, "hello?")
    assert (await gateway.until(Kind.SEND_TEXT))[-1].payload == b"1"
    assert Visitors.diary.count(("connect", "c1")) == 1


async def test_a_request_whose_writes_were_durable_when_the_room_died_is_answered(
    stage: Stage,
) -> None:
    """It is not handled again, but the client learns that its answer was lost."""

    class Api(Counter):
        def on_request(self, request: Any) -> str:
            self.diary.append("request")
            self.storage.put("done", True)
            return "done"

    stage.start(Api)
    gateway = await stage.attached()
    sequence = gateway.request(1)
    await gateway.done(sequence)
    stage.room.break_off("its process is killed before the gateway heard of it")
    await gateway.until(Kind.GONE)
    await stage.ended()

    stage.start(Api, owner="r1")
    gateway.attach()
    gateway.request(1, sequence=sequence)
    status, _, _ = await gateway.answer()
    assert status >= 500
    assert Api.diary.count("request") == 1


async def test_a_careful_room_announces_each_event_when_the_one_before_is_done(
    stage: Stage,
) -> None:
    """With its writes durable: if the process dies now, the gateway knows on which event."""
    stage.start(Counter)
    gateway = await stage.gateway()
    gateway.attach(careful_until=3)
    await gateway.done(gateway.connect(1))
    stage.backend.hold()
    gateway.text(1, "a")
    gateway.text(1, "b")
    await until(lambda: stage.backend.asked.is_set())
    for _ in range(20):
        await asyncio.sleep(0)
    assert [entry[1] for entry in Counter.diary[1:]] == ["a"]
    stage.backend.go_on()
    frames = await gateway.done(3)
    assert [(f.kind, f.sequence) for f in frames if f.kind in (Kind.DONE, Kind.TRYING)] == [
        (Kind.TRYING, 2),
        (Kind.DONE, 2),
        (Kind.TRYING, 3),
        (Kind.DONE, 3),
    ]


@pytest.mark.parity("uniqueness")
async def test_a_room_that_somebody_else_has_is_refused_with_its_address(stage: Stage) -> None:
    """The claim of a process whose lease is there is never taken over."""
    first = stage.start(Counter)
    await stage.attached(1)
    stage.backend.may_claim.clear()
    second = stage.start(Counter, owner="r2")
    gateway = await stage.gateway("g2")
    gateway.attach()
    await until(lambda: len(list(second.attachments)) == 1)
    stage.backend.may_claim.set()
    refused = messages.decode((await gateway.until(Kind.REFUSED))[-1].payload, Refused)
    assert (refused.reason, refused.address) == ("held", "/run/r1.sock")
    await stage.ended(second)
    assert (first.state, second.state) == (State.LIVE, State.ABSENT)
    assert stage.absent == [second]


@pytest.mark.parametrize("writes", [False, True], ids=["has written nothing", "has written"])
async def test_the_room_of_a_dead_process_is_taken_over(stage: Stage, writes: bool) -> None:
    """What the dead one still tries to write does not count, and no message is blamed for it.

    Where its flush has certainly not landed, its message comes again, and its client stays. Where
    the new one has written too, only the flush's number tells them apart, and that is the same.
    """
    dead = stage.start(Counter)
    gateway = await stage.attached(1)
    stage.backend.dead.add("r1")
    stage.start(Counter, owner="r2")
    second = await stage.gateway("g2")
    second.attach()
    await second.until(Kind.READY)
    if writes:
        await second.done(second.connect(7))
        await second.done(second.text(7, "hello"))

    stage.room, live = dead, stage.room
    gateway.text(1, "too late")
    frames = await gateway.until(Kind.GONE)
    assert [frame.kind for frame in frames] == [*([Kind.CLOSE] if writes else []), Kind.GONE]
    assert frames[-1].payload == b"lost"
    if writes:
        assert unpack_close(frames[0].payload)[0] == SERVICE_RESTART
    await stage.ended(dead)
    stage.room = live
    stage.room.leave("shutdown")
