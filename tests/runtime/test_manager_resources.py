"""A hibernation manager and rooms whose parties ask Ray for resources."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.messages import Placed, RoomKey
from parlour.actors.resources import ActorResources
from parlour.actors.room_actor_settings import RoomActorSettings
from parlour.runtime import demand as demand_module
from parlour.runtime import manager as manager_module
from parlour.runtime import waiting as waiting_module
from parlour.runtime.actor_record import ActorState

from ..actors.staging import until
from .managed import ScriptedActor, Stage

THERE = "/there/manager.sock@10.0.0.2:7"
GPU = ActorResources(num_gpus=1.0)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A manager with its standbys that looks around all the time."""
    monkeypatch.setattr(manager_module, "TICK_S", 0.005)
    monkeypatch.setattr(demand_module, "UNPLACED_TOLD_S", 0.0)
    async with Stage(tmp_path, free_memory_bytes_min=0) as stage:
        await stage.deploy()
        await stage.standbys(2)
        yield stage


def with_resources(stage: Stage) -> list[ScriptedActor]:
    """Those that Ray was asked resources for."""
    return [actor for actor in stage.starter.actors if actor.resources]


async def test_a_room_that_needs_resources_wakes_once_ray_has_placed_its_actor(
    stage: Stage,
) -> None:
    """One with just those; standbys without them serve the others meanwhile."""
    gateway = await stage.gateway()
    number = gateway.ask("a", "draw")
    await until(lambda: len(with_resources(stage)) == 1)
    [actor] = with_resources(stage)
    assert actor.resources == GPU
    assert await gateway.place("b") != actor.address
    await until(lambda: stage.manager.hear([]).unplaced == {"draw": "num_gpus=1"})

    stage.starter.has_places.set()
    assert await gateway.answer(number) == Placed(actor.address)
    assert stage.manager.hear([]).unplaced == {}
    assert stage.manager.pool.find(RoomKey("draw", "a")) is stage.manager.pool.actors[actor.id]
    assert len(with_resources(stage)) == 1


async def test_who_waits_is_sent_to_the_node_where_ray_has_placed_it(stage: Stage) -> None:
    """One room for one room actor; the other waits for the next."""
    gateway = await stage.gateway()
    numbers = [gateway.ask("a", "draw"), gateway.ask("b", "draw")]
    await until(lambda: len(with_resources(stage)) == 2)
    stage.starter.joins = THERE
    stage.starter.has_places.set()
    for number in numbers:
        assert await gateway.answer(number) == Placed(elsewhere=THERE)
    assert "0 waiting" in repr(stage.manager)
    assert not any(record.resources for record in stage.manager.pool.actors.values())


async def test_one_that_another_manager_asked_for_is_used_here(stage: Stage) -> None:
    """It says what it has; and it ends when nobody needs that."""
    stranger = ScriptedActor(stage.starter, with_settings("stranger"), b"")
    stage.starter.actors.append(stranger)
    await stranger.introduce()
    await until(lambda: "stranger" in stage.manager.pool.actors)
    gateway = await stage.gateway()
    assert (await gateway.answer(gateway.ask("a", "draw"))).address == stranger.address


async def test_it_ends_when_its_room_has_left_and_no_other_comes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held is free for others."""
    monkeypatch.setattr(demand_module, "STANDBY_KEPT_S", 0.0)
    stranger = ScriptedActor(stage.starter, with_settings("stranger"), b"")
    stage.starter.actors.append(stranger)
    await stranger.introduce()
    await until(lambda: stranger.told_to_end)
    assert stage.manager.pool.count(ActorState.STANDBY) == 2


async def test_resources_that_exist_nowhere_are_told_to_log_and_client(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After a while; the demand stays, for a node that may come."""
    monkeypatch.setattr(waiting_module, "WAITING_TIMEOUT_S", 0.05)
    gateway = await stage.gateway()
    with caplog.at_level(logging.WARNING):
        placed = await gateway.answer(gateway.ask("a", "draw"))
    assert placed.lacking
    assert placed.error == "rooms of party draw need num_gpus=1, and no node has that free"
    told = [each for each in caplog.messages if "wait for num_gpus=1" in each]
    assert len(told) == 1
    assert len(with_resources(stage)) == 1
    assert stage.manager.hear([]).unplaced == {"draw": "num_gpus=1"}


async def test_a_demand_that_nobody_wants_any_more_is_taken_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray is told to forget it."""
    monkeypatch.setattr(waiting_module, "WAITING_TIMEOUT_S", 0.0)
    monkeypatch.setattr(demand_module, "PENDING_KEPT_S", 0.0)
    gateway = await stage.gateway()
    await gateway.answer(gateway.ask("a", "draw"))
    [actor] = with_resources(stage)
    await until(lambda: actor.id not in stage.manager.pool.actors)
    assert await actor.ended() == "killed"


def with_settings(actor_id: str) -> RoomActorSettings:
    """Of a room actor with a GPU."""
    return RoomActorSettings(actor_id, "/run", "", "redis://", 1, resources=GPU)
