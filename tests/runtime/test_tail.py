"""Following a manager whose room actors follow a script."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind, pack
from parlour.actors.watch import Seen, SeenBatch, Watching
from parlour.runtime import followers as followers_module
from parlour.runtime import manager as manager_module
from parlour.runtime import tail as tail_module
from parlour.runtime.followers import UnknownFollower, Wanted
from parlour.runtime.tail import Tail

from ..actors.staging import until
from .managed import ScriptedActor, Stage

MESSAGE = Seen("message", 1.0, "chat", "lobby", "ada", 5, 0.1)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A manager that looks around all the time, with two standbys."""
    monkeypatch.setattr(manager_module, "TICK_S", 0.005)
    stage = Stage(tmp_path)
    await stage.manager.start(None)
    await stage.deploy()
    await stage.standbys(2)
    yield stage
    await stage.close()


@pytest.fixture
def tail(stage: Stage) -> Tail:
    return stage.manager.tail


async def told(actor: ScriptedActor) -> Watching:
    """What a room actor is told of who watches."""
    frame = await actor.inbox.take()
    assert frame.kind is Kind.WATCH
    return messages.decode(frame.payload, Watching)


def show(actor: ScriptedActor, *seen: Seen, dropped: int = 0) -> None:
    """A room actor shows what it has seen."""
    assert actor.link is not None
    payload = messages.encode(SeenBatch(list(seen), dropped))
    actor.link.write(pack(Kind.SEEN, payload=payload))


async def test_what_a_room_actor_sees_is_shown(stage: Stage, tail: Tail) -> None:
    """As soon as it comes, also to a follower that waits already; until it has seen enough."""
    first, second = stage.starter.actors
    tail.follow("f", Wanted())
    for actor in (first, second):
        assert await told(actor) == Watching(True)
    waiting = asyncio.ensure_future(tail.take("f"))
    show(second, MESSAGE, dropped=2)
    assert await waiting == SeenBatch([MESSAGE], 2)
    tail.unfollow("f")
    assert await told(first) == Watching(False)


async def test_a_room_actor_that_starts_later_is_told(stage: Stage, tail: Tail) -> None:
    """As it cannot know."""
    tail.follow("f", Wanted(contents=True))
    gateway = await stage.gateway()
    await gateway.place("a")
    await until(lambda: len(stage.starter.actors) == 3)
    assert await told(stage.starter.actors[2]) == Watching(True, contents=True)


async def test_a_follower_that_is_gone_is_forgotten(
    stage: Stage, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is noted for it any more, and should it come again it learns so."""
    tail.follow("f", Wanted())
    actor = stage.starter.actors[0]
    assert await told(actor) == Watching(True)
    monkeypatch.setattr(followers_module, "SILENCE_S", 0.0)
    assert await told(actor) == Watching(False)
    with pytest.raises(UnknownFollower):
        await tail.take("f")


async def test_who_waits_for_nothing_is_answered_too(
    tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a moment: so whoever asks can be seen to be there."""
    monkeypatch.setattr(tail_module, "WAIT_S", 0.01)
    tail.follow("f", Wanted())
    assert await tail.take("f") == SeenBatch([])


async def test_the_log_of_the_manager_is_shown(tail: Tail) -> None:
    """As that of no room."""
    tail.follow("f", Wanted(kinds=frozenset({"log"})))
    logging.getLogger("parlour.test").warning("something of the node")
    [line] = (await tail.take("f")).seen
    assert (line.room, line.text) == ("", "something of the node")
    tail.unfollow("f")
