"""A room actor's line to its manager: it comes back, and shows what is followed."""

from __future__ import annotations

import asyncio

import pytest
from parlour.actors import manager_line, messages
from parlour.actors.frames import Kind, pack
from parlour.actors.watch import SeenBatch, Watching

from .acting import KEY, Chat, Stage, attach
from .linked import TIMEOUT_S, Inbox
from .staging import until
from .test_room_actor import stage

__all__ = ["stage"]  # the fixture


async def test_a_manager_that_comes_back_is_found_again(stage: Stage) -> None:
    """The rooms go on meanwhile, and are reported to the new one."""
    link, inbox = await stage.gateway()
    attach(link)
    await inbox.take_until(Kind.READY)
    stage.stop_manager()
    link.write(pack(Kind.TEXT, 1, 1, 1, b"still here"))
    await inbox.take_until(Kind.SEND_TEXT)
    stage.manager_inbox = Inbox()
    await stage.start_manager()
    await stage.report(lambda r: bool(r.rooms))
    assert Chat.diary[0] == "start"
    assert Chat.diary.count("start") == 1


async def test_it_ends_when_its_manager_does_not_come_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could ever end it otherwise."""
    monkeypatch.setattr(manager_line, "MANAGER_PATIENCE_S", 0.02)
    await until(lambda: stage.hello is not None)
    stage.stop_manager()
    async with asyncio.timeout(TIMEOUT_S):
        await stage.actor.ended.wait()


async def test_what_happens_is_shown_while_somebody_follows(stage: Stage) -> None:
    """Until nobody does; a manager that comes back says so again if somebody does."""
    await until(lambda: stage.hello is not None)
    stage.order(Kind.WATCH, messages.encode(Watching(True, contents=True)))
    await until(lambda: stage.actor._watch.on)
    link, _ = await stage.gateway()
    attach(link)
    link.write(pack(Kind.TEXT, 1, 1, 1, b"hello"))
    frames = await stage.manager_inbox.take_until(Kind.SEEN)
    [seen] = messages.decode(frames[-1].payload, SeenBatch).seen
    assert (seen.kind, seen.party, seen.room, seen.text) == ("message", "chat", KEY.id, "hello")

    stage.stop_manager()
    await until(lambda: not stage.actor._watch.on)
