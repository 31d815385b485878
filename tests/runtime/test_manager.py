"""The hibernation manager, between gateways that ask and room actors that follow a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind
from parlour.actors.messages import Leave, RoomKey
from parlour.actors.options import options_of
from parlour.actors.room_actor_settings import RoomActorSettings
from parlour.runtime import crew, waiting
from parlour.runtime import manager as manager_module
from parlour.runtime.actor_record import ActorState
from parlour.runtime.code import Code
from parlour.runtime.crew import DeployFailed
from parlour.runtime.deployment import Deployment

from ..actors.staging import until
from .managed import Chat, ScriptedActor, Stage, live


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A manager that looks around all the time, with nothing deployed."""
    monkeypatch.setattr(manager_module, "TICK_S", 0.005)
    stage = Stage(tmp_path)
    await stage.manager.start(None)
    yield stage
    await stage.close()


async def test_a_room_is_given_a_standby_with_the_deployed_code(stage: Stage) -> None:
    """And the pool is filled up behind it."""
    await stage.deploy()
    await stage.standbys(2)
    gateway = await stage.gateway()
    actor = stage.starter.at(await gateway.place("a"))
    assert (actor.code, actor.version) == (b"code 1", 1)
    await stage.standbys(2)
    assert len(stage.starter.actors) == 3
    assert len({await gateway.place(name) for name in "abc"}) == 3


async def test_all_who_ask_for_a_room_are_told_the_same(stage: Stage) -> None:
    """At any time, from any gateway."""
    await stage.deploy()
    first, second = await stage.gateway(), await stage.gateway()
    address = await first.place("a")
    assert await second.place("a") == address
    stage.starter.at(address).report(live("a"))
    assert await second.place("a") == address


async def test_who_asks_before_anything_is_deployed_is_answered_after(stage: Stage) -> None:
    """The question waits."""
    gateway = await stage.gateway()
    number = gateway.ask("a")
    await until(lambda: "1 waiting" in repr(stage.manager))
    await stage.deploy()
    assert (await gateway.answer(number)).address == stage.starter.actors[0].address


async def test_a_room_whose_process_has_died_is_placed_anew(stage: Stage) -> None:
    """Another room actor takes its place in the pool."""
    await stage.deploy()
    gateway = await stage.gateway()
    address = await gateway.place("a")
    actor = stage.starter.at(address)
    actor.report(live("a"))
    actor.end("its process ended")
    await until(lambda: actor.id not in stage.manager.pool.actors)
    assert await gateway.place("a") != address
    await stage.standbys(2)


async def test_an_idle_room_is_sent_to_sleep(stage: Stage) -> None:
    """When its class says so; its room actor is a standby again once it has left."""
    await stage.deploy()
    gateway = await stage.gateway()
    actor = stage.starter.at(await gateway.place("a"))
    actor.report(live("a", "idle", last_event_s=-1e6))
    frame = await actor.inbox.take()
    assert (frame.kind, messages.decode(frame.payload, Leave)) == (
        Kind.HIBERNATE,
        Leave(RoomKey("chat", "a"), "hibernate"),
    )
    actor.report()
    await until(lambda: stage.manager.pool.find(RoomKey("chat", "a")) is None)


async def test_an_idle_room_gives_up_its_place_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To one that finds none: before the next look, and though a process is being started."""
    monkeypatch.setattr(manager_module, "TICK_S", 3600.0)
    stage = Stage(tmp_path, standbys=1)
    await stage.manager.start(None)
    await stage.deploy()
    gateway = await stage.gateway()
    actor = stage.starter.at(await gateway.place("a"))
    actor.report(live("a", "idle"))
    await until(lambda: any(record.rooms for record in stage.manager.pool.actors.values()))
    stage.starter.hangs = True

    number = gateway.ask("b")

    frame = await actor.inbox.take()
    assert messages.decode(frame.payload, Leave) == Leave(RoomKey("chat", "a"), "hibernate")
    assert stage.manager.pool.count(ActorState.STARTING) > 0
    actor.report()
    assert (await gateway.answer(number)).address == actor.address
    await stage.close()


async def test_more_standbys_than_there_should_be_end(stage: Stage) -> None:
    """Those that have just become free, for instance."""
    await stage.deploy()
    gateway = await stage.gateway()
    actors = [stage.starter.at(await gateway.place(name)) for name in "abc"]
    await stage.standbys(2)
    for actor in actors:
        actor.report()
    # The reports come before the gateways have attached: nothing is free yet.
    assert stage.manager.pool.count(ActorState.SERVING) == 3
    for actor, name in zip(actors, "abc", strict=True):
        actor.report(live(name))
        actor.report()
    await until(lambda: stage.manager.pool.count(ActorState.ENDING) == 3)
    assert stage.manager.pool.count(ActorState.STANDBY) == 2
    await until(lambda: sum(actor.told_to_end for actor in stage.starter.actors) == 3)


async def test_a_new_version_moves_the_rooms_and_ends_the_old_room_actors(stage: Stage) -> None:
    """Live rooms are told to leave; the next wake has the new code."""
    await stage.deploy()
    gateway = await stage.gateway()
    old = stage.starter.at(await gateway.place("a"))
    old.report(live("a"))
    await stage.standbys(2)
    await stage.deploy(2)
    frame = await old.inbox.take()
    assert messages.decode(frame.payload, Leave) == Leave(RoomKey("chat", "a"), "deploy")
    old.report()
    await old.inbox.take_until(Kind.EXIT)
    assert stage.starter.at(await gateway.place("a")).version == 2
    for actor in stage.starter.actors:
        if actor.version == 1 and actor is not old:
            await actor.inbox.take_until(Kind.EXIT)


async def test_code_that_no_room_actor_can_use_changes_nothing(stage: Stage) -> None:
    """Whoever deploys is told why; the rooms go on as they were."""
    await stage.deploy()
    gateway = await stage.gateway()
    actor = stage.starter.at(await gateway.place("a"))
    actor.report(live("a"))
    stage.starter.problem = "ImportError: no module named x"
    with pytest.raises(DeployFailed, match="no module named x"):
        await stage.deploy(2)
    stage.starter.problem = "nothing starts"
    with pytest.raises(DeployFailed, match="nothing starts"):
        await stage.deploy(3)
    stage.starter.problem = ""
    assert stage.manager.pool.version == 1
    assert actor.inbox.left() == []
    assert stage.starter.at(await gateway.place("b")).version == 1


async def test_code_that_never_comes_to_an_end_of_starting_fails(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while, and its process is killed."""
    monkeypatch.setattr(crew, "TRIAL_TIMEOUT_S", 0.02)
    stage.starter.hangs = True
    with pytest.raises(DeployFailed, match="did not start within"):
        await stage.deploy()
    assert stage.starter.killed == [stage.starter.actors[0].id]
    await until(lambda: not stage.manager.pool.actors)


async def test_a_room_that_waits_too_long_is_told_why(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With what keeps room actors from starting, if anything does."""
    await stage.deploy()
    await stage.standbys(2)
    gateway = await stage.gateway()
    stage.starter.problem = "OSError: no more processes"
    for name in "ab":
        await gateway.place(name)
    await until(lambda: "could not start" in caplog.text)
    monkeypatch.setattr(waiting, "WAITING_TIMEOUT_S", 0.01)
    assert "no more processes" in (await gateway.answer(gateway.ask("c"))).error


async def test_too_many_questions_are_answered_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the limit nobody is kept waiting."""
    monkeypatch.setattr(waiting, "WAITING_MAX", 1)
    gateway = await stage.gateway()
    gateway.ask("a")
    assert "too many rooms wait" in (await gateway.answer(gateway.ask("b"))).error


async def test_the_rooms_of_an_earlier_manager_are_taken_over(tmp_path: Path) -> None:
    """Their room actors find the new one, and tell it what they have."""
    stage = Stage(tmp_path)
    code = Code({"chat": options_of(Chat)}, b"code 4")
    await stage.manager.start(Deployment(4, code))
    settings = RoomActorSettings("survivor", "/run", stage.settings.address, "redis://", 4)
    actor = ScriptedActor(stage.starter, settings, b"code 4")
    stage.starter.actors.append(actor)
    await actor.introduce()
    actor.report(live("a"))
    await until(lambda: any(record.rooms for record in stage.manager.pool.actors.values()))
    gateway = await stage.gateway()
    assert await gateway.place("a") == actor.address
    await stage.close()


async def test_a_manager_that_stops_ends_every_room_actor(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In good order if they can, by force if they cannot."""
    await stage.deploy()
    await stage.standbys(2)
    orderly, stubborn = stage.starter.actors
    monkeypatch.setattr(manager_module, "STOP_TIMEOUT_S", 0.05)
    stopping = asyncio.ensure_future(stage.manager.stop())
    for actor in (orderly, stubborn):
        assert (await actor.inbox.take_until(Kind.EXIT))[-1].payload == b"shutdown"
    orderly.end()
    await stopping
    assert stubborn.id in stage.starter.killed
    assert not stage.manager.pool.count(ActorState.STANDBY)
