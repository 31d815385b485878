"""What a room actor does for operators: it throws rooms out, counts, and shows what happens."""

from __future__ import annotations

import asyncio
from typing import Any

from parlour.actors import messages
from parlour.actors.frames import Kind
from parlour.actors.link import Link, connect
from parlour.actors.messages import Leave, Report

from .acting import Stage, attach
from .linked import GATEWAY
from .staging import KEY
from .test_room_actor import stage

__all__ = ["stage"]  # the fixture


async def test_a_room_is_thrown_out_as_a_crash_would_do_it(stage: Stage) -> None:
    """Its gateway hears that it broke; others of the process go on, and on_stop does not run."""
    link, inbox = await stage.gateway()
    attach(link)
    await inbox.take_until(Kind.READY)
    stage.order(Kind.HIBERNATE, messages.encode(Leave(KEY, "reset")))
    assert (await inbox.take_until(Kind.GONE))[-1].payload == b"broken"
    report = await stage.report(lambda r: bool(r.counts and r.counts.parties) and not r.rooms)
    assert report.counts is not None
    assert report.counts.parties["chat"].resets == 1
    assert report.counts.parties["chat"].left == {}


async def test_the_manager_hears_that_a_room_has_left_before_its_gateway_does(
    stage: Stage,
) -> None:
    """Whoever asks for the room then is given another process, not the one that it has left."""
    seen_by_manager: list[Report] = []

    def on_frame(link: Link, kind: int, *rest: Any) -> None:
        if kind == Kind.GONE:
            reports = stage.manager_inbox.left()
            seen_by_manager.extend(messages.decode(each.payload, Report) for each in reports)
            gone.set()
        elif kind == Kind.READY:
            ready.set()

    gone, ready = asyncio.Event(), asyncio.Event()
    link = await connect(stage.actor.address, GATEWAY, on_frame, print)
    attach(link)
    await ready.wait()
    await stage.report(lambda report: bool(report.rooms))
    stage.order(Kind.HIBERNATE, messages.encode(Leave(KEY, "deploy")))
    await gone.wait()
    link.abort()
    assert seen_by_manager[-1].rooms == []


async def test_a_lost_lease_is_counted(stage: Stage) -> None:
    """In what the manager is told."""
    stage.lease.on_lost()
    report = await stage.report(lambda report: bool(report.counts and report.counts.lease_losses))
    assert report.counts is not None
    assert report.counts.lease_losses == 1
