"""A process past its lease: silent, and then it goes on where it was, or lets its rooms go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages, silence
from parlour.actors.close_codes import SERVICE_RESTART
from parlour.actors.frames import Kind, pack, unpack_close
from parlour.actors.link import Link
from parlour.actors.messages import Leave, RoomKey

from .acting import KEY, Chat, Stage, attach, started
from .linked import Frame, Inbox
from .staging import Counter, until

COUNTER = RoomKey("counter", "lobby")


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A room actor that has started."""
    Counter.diary = []
    async with started(tmp_path, monkeypatch) as stage:
        yield stage


def say(link: Link, sequence: int, text: str = "hi", channel: int = 1) -> None:
    """A message of the client on a channel."""
    link.write(pack(Kind.TEXT, channel, 1, sequence, text.encode()))


async def silent(stage: Stage, key: RoomKey = KEY) -> tuple[Link, Inbox]:
    """A room in a process that has just fallen silent on the answer to message 1."""
    link, inbox = await stage.gateway()
    attach(link, key=key)
    await inbox.take_until(Kind.READY)
    stage.lease.run_out()
    say(link, 1)
    await until(lambda: stage.actor._silence.is_on)
    return link, inbox


async def take_over(stage: Stage, key: RoomKey = KEY) -> None:
    """Another process takes the room, as it may once the lease has run out."""
    room = stage.actor._rooms[key]
    epoch = room.storage._space.flusher._tenure._epoch
    await stage.actor._backend.claim(key.space, owner="r2", address="", takeover_epoch=epoch)


def closed(frames: list[Frame]) -> list[tuple[int, int]]:
    """Which connections are closed by these frames, and with what code."""
    return [(f.number, unpack_close(f.payload)[0]) for f in frames if f.kind is Kind.CLOSE]


@pytest.mark.parametrize("key", [KEY, COUNTER], ids=["reads", "writes"])
async def test_rooms_go_on_where_they_were_when_the_lease_is_back(
    stage: Stage, key: RoomKey
) -> None:
    """Nothing was said past the lease; then each answer comes once, in order, of the same start."""
    link, inbox = await silent(stage, key)
    say(link, 2)
    await stage.report(lambda r: bool(r.rooms) and r.rooms[0].state == "paused")
    assert inbox.left() == []

    stage.lease.server_is_away = False
    frames = await inbox.take_until(Kind.SEND_TEXT)
    frames += await inbox.take_until(Kind.SEND_TEXT)
    say(link, 3)
    frames += await inbox.take_until(Kind.SEND_TEXT)
    answers = [frame.payload for frame in frames if frame.kind is Kind.SEND_TEXT]
    assert answers == ([b"hi"] * 3 if key is KEY else [b"1", b"2", b"3"])
    assert not closed(frames)
    assert Chat.diary.count("start") == (key is KEY)
    assert stage.lease.owner == "r1+"
    report = await stage.report(lambda r: r.owner == "r1+")
    assert report.counts is not None
    assert report.counts.lease_losses == 1


async def test_no_event_begins_while_the_process_is_silent(stage: Stage) -> None:
    """Another process may be handling it."""
    link, _ = await silent(stage)
    say(link, 2, "later")
    await stage.report(lambda r: bool(r.rooms) and r.rooms[0].state == "paused")
    await until(lambda: "1 queued" in repr(stage.actor._rooms[KEY]))
    assert ("c1", "later") not in Chat.diary
    stage.lease.server_is_away = False
    await until(lambda: ("c1", "later") in Chat.diary)


async def test_a_lease_that_cannot_be_had_is_logged_once(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not at each attempt."""
    monkeypatch.setattr(silence, "RETRY_S", 0.0)
    caplog.set_level("INFO", silence.__name__)
    await silent(stage)
    await until(lambda: stage.lease.refused > 20)
    stage.lease.server_is_away = False
    await until(lambda: not stage.actor._silence.is_on)
    said = [record.message for record in caplog.records if "no new lease" in record.message]
    assert len(said) == 1


@pytest.mark.parametrize("key", [KEY, COUNTER], ids=["reads", "writes"])
async def test_a_room_that_was_taken_over_is_lost_and_its_clients_are_closed(
    stage: Stage, key: RoomKey
) -> None:
    """What was meant for them is dropped; a code tells them to come back."""
    _, inbox = await silent(stage, key)
    await take_over(stage, key)
    stage.lease.server_is_away = False
    frames = await inbox.take_until(Kind.GONE)
    assert {frame.kind for frame in frames} == {Kind.CLOSE, Kind.GONE}
    assert closed(frames) == [(1, SERVICE_RESTART)]
    assert frames[-1].payload == b"lost"
    await until(lambda: not stage.actor._silence.is_on)
    assert not stage.actor._rooms


async def test_rooms_are_lost_one_by_one(stage: Stage) -> None:
    """Those that nobody took go on, on the same link."""
    link, inbox = await silent(stage)
    other = RoomKey("chat", "other")
    stage.lease.server_is_away = False
    await inbox.take_until(Kind.SEND_TEXT)
    attach(link, 2, other)
    await inbox.take_until(Kind.READY)
    stage.lease.run_out()
    say(link, 2, "kept")
    await until(lambda: stage.actor._silence.is_on)
    await take_over(stage, other)
    stage.lease.server_is_away = False
    frames = await inbox.take_until(Kind.GONE)
    frames += await inbox.take_until(Kind.SEND_TEXT)
    assert {frame.channel for frame in frames if frame.kind in (Kind.CLOSE, Kind.GONE)} == {2}
    assert [f.payload for f in frames if f.kind is Kind.SEND_TEXT] == [b"kept"]


async def test_a_client_that_misses_nothing_is_not_closed(stage: Stage) -> None:
    """Its socket outlives the room's process as ever."""
    link, inbox = await stage.gateway()
    attach(link)
    await inbox.take_until(Kind.READY)
    stage.lease.run_out()
    stage.lease.on_lost()
    await until(lambda: stage.actor._silence.is_on)
    await take_over(stage)
    stage.lease.server_is_away = False
    frames = await inbox.take_until(Kind.GONE)
    assert [frame.kind for frame in frames] == [Kind.GONE]


async def test_rooms_are_let_go_when_the_silence_lasts_too_long(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateways are told at once, although nothing else may leave, and the link stays."""
    monkeypatch.setattr(silence, "SILENCE_S_MAX", 0.05)
    link, inbox = await silent(stage)
    frames = await inbox.take_until(Kind.GONE)
    assert closed(frames) == [(1, SERVICE_RESTART)]
    assert frames[-1].payload == b"lost"
    stage.lease.server_is_away = False
    await until(lambda: not stage.actor._silence.is_on)
    attach(link, 2)
    await inbox.take_until(Kind.READY)


async def test_rooms_are_let_go_when_they_say_too_much(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits to be said is bounded."""
    monkeypatch.setattr(silence, "UNSENT_BYTES_MAX", 1)
    _, inbox = await silent(stage)
    assert (await inbox.take_until(Kind.GONE))[-1].payload == b"lost"


async def test_a_lease_that_runs_out_again_is_followed_by_another(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said before one holds until all rooms are claimed under it."""
    tries = iter([False, False, True])
    spoken = type(stage.lease).speak

    def speak(lease: object) -> bool:
        return next(tries) and spoken(stage.lease)

    monkeypatch.setattr(type(stage.lease), "speak", speak)
    _, inbox = await silent(stage, COUNTER)
    stage.lease.server_is_away = False
    frames = await inbox.take_until(Kind.SEND_TEXT)
    assert not closed(frames)
    assert stage.lease.owner == "r1+++"


async def test_a_room_that_leaves_meanwhile_leaves_when_it_may_speak(stage: Stage) -> None:
    """Its last words before its good-bye, and its claim is free."""
    _, inbox = await silent(stage, COUNTER)
    stage.order(Kind.HIBERNATE, messages.encode(Leave(COUNTER, "deploy")))
    await until(lambda: stage.actor._rooms[COUNTER].leave_reason is not None)
    stage.lease.server_is_away = False
    frames = await inbox.take_until(Kind.GONE)
    assert [f.payload for f in frames if f.kind is Kind.SEND_TEXT] == [b"1"]
    assert frames[-1].payload == b""
    claim = await stage.actor._backend.claim(COUNTER.space, owner="r2", address="")
    assert claim.flush_number == 1


async def test_a_silent_process_that_ends_tells_its_gateways(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would blame an event otherwise."""
    monkeypatch.setattr("parlour.actors.room_actor.LEAVE_TIMEOUT_S", 0.02)
    _, inbox = await silent(stage)
    await stage.actor.stop("shutdown")
    frames = await inbox.take_until(Kind.GONE)
    assert closed(frames) == [(1, SERVICE_RESTART)]
    assert frames[-1].payload == b"lost"
    await inbox.lost()


async def test_a_room_that_was_waking_wakes_again(stage: Stage) -> None:
    """Its claim was for a lease that is gone; nobody has heard of it yet."""
    link, inbox = await stage.gateway()
    backend = stage.actor._backend
    may_claim = asyncio.Event()
    claim = backend.claim

    async def slow(*args: object, **options: object) -> object:
        await may_claim.wait()
        return await claim(*args, **options)  # type: ignore[arg-type]

    backend.claim = slow  # type: ignore[method-assign, assignment]
    attach(link)
    await until(lambda: bool(stage.actor._rooms))
    stage.lease.run_out()
    stage.lease.on_lost()
    assert (await inbox.take_until(Kind.GONE))[-1].payload == b"lost"
    may_claim.set()
    stage.lease.server_is_away = False
    await until(lambda: not stage.actor._silence.is_on)
    attach(link, 2)
    await inbox.take_until(Kind.READY)
