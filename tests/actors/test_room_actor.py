"""A room actor between its manager and its gateways, over storage in memory and a lease at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind, pack
from parlour.actors.messages import Leave, Refused, RoomKey
from parlour.actors.room_actor import resident_bytes

from .acting import KEY, Chat, Stage, attach, started
from .linked import TIMEOUT_S
from .staging import until


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A room actor that has started, and reports quickly."""
    async with started(tmp_path, monkeypatch) as stage:
        yield stage


async def test_it_introduces_itself_to_its_manager_and_reports(stage: Stage) -> None:
    """As a standby: no rooms, and how much memory it takes."""
    await until(lambda: stage.hello is not None)
    assert stage.hello is not None
    assert (stage.hello.role, stage.hello.id, stage.hello.version) == ("room actor", "r1", 7)
    assert stage.hello.address == stage.actor.address
    report = await stage.report(lambda _: True)
    assert report.rooms == []
    assert report.memory_bytes > 1_000_000
    assert resident_bytes() > 1_000_000


async def test_a_gateway_that_attaches_starts_the_room(stage: Stage) -> None:
    """And is served; the manager is told of the room and its connections."""
    link, inbox = await stage.gateway()
    attach(link)
    link.write(pack(Kind.TEXT, 1, 1, 1, b"hello"))
    frames = await inbox.take_until(Kind.SEND_TEXT)
    assert frames[0].kind is Kind.READY
    assert frames[-1].payload == b"hello"
    report = await stage.report(lambda r: bool(r.rooms) and r.rooms[0].state == "idle")
    assert (report.rooms[0].key, report.rooms[0].connections) == (KEY, 1)


async def test_one_link_carries_several_rooms(stage: Stage) -> None:
    """Each on its channel."""
    link, inbox = await stage.gateway()
    for channel, name in ((1, "a"), (2, "b")):
        attach(link, channel, RoomKey("chat", name))
        link.write(pack(Kind.TEXT, channel, 1, channel, name.encode()))
    said = {
        (f.channel, f.payload) for f in [(await inbox.take_until(Kind.SEND_TEXT))[-1] for _ in "ab"]
    }
    assert said == {(1, b"a"), (2, b"b")}


async def test_a_party_that_is_not_there_is_refused(stage: Stage) -> None:
    """By name; what is sent to it all the same is nobody's."""
    link, inbox = await stage.gateway()
    attach(link, key=RoomKey("game", "x"))
    link.write(pack(Kind.TEXT, 1, 1, 1, b"lost"))
    refused = messages.decode((await inbox.take_until(Kind.REFUSED))[-1].payload, Refused)
    assert refused.reason == "unknown party"
    assert "'game'" in refused.message


async def test_a_room_leaves_when_the_manager_says_so(stage: Stage) -> None:
    """Its gateway and the manager are told; it may come back."""
    link, inbox = await stage.gateway()
    attach(link)
    await inbox.take_until(Kind.READY)
    await stage.report(lambda r: bool(r.rooms))
    stage.order(Kind.HIBERNATE, messages.encode(Leave(RoomKey("chat", "other"), "hibernate")))
    stage.order(Kind.HIBERNATE, messages.encode(Leave(KEY, "hibernate")))
    assert (await inbox.take_until(Kind.GONE))[-1].payload == b""
    await stage.report(lambda r: not r.rooms)
    attach(link, 2)
    assert (await inbox.take_until(Kind.READY))[-1].channel == 2
    assert Chat.diary == ["start", ("stop", "hibernate"), "start"]


async def test_it_ends_in_good_order_when_the_manager_says_so(stage: Stage) -> None:
    """Every room has left, the lease is given back, every link is closed."""
    link, inbox = await stage.gateway()
    attach(link)
    await inbox.take_until(Kind.READY)
    stage.order(Kind.EXIT, b"deploy")
    async with asyncio.timeout(TIMEOUT_S):
        await stage.actor.ended.wait()
    assert [frame.kind for frame in inbox.left()][-1:] == [Kind.GONE]
    await inbox.lost()
    assert Chat.diary == ["start", ("stop", "deploy")]
    assert stage.lease.stopped


async def test_a_lost_gateway_leaves_its_rooms(stage: Stage) -> None:
    """They are told; another gateway is not concerned."""
    lost, _ = await stage.gateway()
    attach(lost)
    await stage.report(lambda r: bool(r.rooms) and r.rooms[0].connections == 1)
    kept, inbox = await stage.gateway()
    attach(kept)
    await inbox.take_until(Kind.READY)
    lost.abort()
    await until(lambda: ("close", "c1", 1006, False) in Chat.diary)
    kept.write(pack(Kind.TEXT, 1, 1, 1, b"still here"))
    assert (await inbox.take_until(Kind.SEND_TEXT))[-1].payload == b"still here"


async def test_a_gateway_that_sends_far_too_much_is_cut_off(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second line: an orderly gateway never gets there."""
    monkeypatch.setattr("parlour.actors.mailbox.EVENTS_MAX", 3)
    link, inbox = await stage.gateway()
    attach(link)
    for sequence in range(1, 20):
        link.write(pack(Kind.TEXT, 1, 1, sequence, b"x"))
    await inbox.lost()
