"""Orders of an operator to a manager, whose room actors follow a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.messages import Leave, RoomKey
from parlour.runtime import manager as manager_module
from parlour.runtime import room_orders
from parlour.runtime.placement import NodeLoad
from parlour.runtime.room_orders import OrderRefused

from ..actors.staging import until
from .managed import Gateway, ScriptedActor, Stage, live

A = RoomKey("chat", "a")


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A manager with a version deployed, whose own looks do not come in between."""
    monkeypatch.setattr(manager_module, "TICK_S", 3600.0)
    stage = Stage(tmp_path)
    await stage.manager.start(None)
    await stage.deploy()
    await stage.standbys(2)
    yield stage
    await stage.close()


@pytest.fixture
async def gateway(stage: Stage) -> Gateway:
    """Somebody who asks for rooms."""
    return await stage.gateway()


@pytest.fixture
async def actor(stage: Stage, gateway: Gateway) -> ScriptedActor:
    """The room actor that has room `a`."""
    actor = stage.starter.at(await gateway.place("a"))
    actor.report(live("a"))
    await until(lambda: stage.manager.orders.state(A) == "live")
    return actor


async def told(actor: ScriptedActor) -> Leave:
    """The next order that it gets."""
    return messages.decode((await actor.inbox.take()).payload, Leave)


@pytest.mark.parametrize(
    ("order", "reason"), [("hibernate", "hibernate"), ("leave", "move"), ("reset", "reset")]
)
async def test_an_order_is_done_when_the_room_has_left(
    stage: Stage, actor: ScriptedActor, order: str, reason: str
) -> None:
    """As its room actor reports; not before."""
    carried_out = asyncio.ensure_future(getattr(stage.manager.orders, order)(A))
    assert await told(actor) == Leave(A, reason)
    actor.report(live("a"))
    await asyncio.wait([carried_out], timeout=0.02)
    assert not carried_out.done()
    actor.report()
    await carried_out
    assert stage.manager.orders.state(A) == ""


async def test_a_room_that_wakes_again_at_once_has_left(stage: Stage, actor: ScriptedActor) -> None:
    """Its events may have waited for that."""
    carried_out = asyncio.ensure_future(stage.manager.orders.reset(A))
    await told(actor)
    again = live("a")
    again.started_s += 1e6
    actor.report(again)
    await carried_out


async def test_a_busy_room_is_told_to_hibernate_until_it_is_given_up(
    stage: Stage, actor: ScriptedActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator hears what to do; the room goes on as before."""
    monkeypatch.setattr(room_orders, "HIBERNATE_PATIENCE_S", 0.05)
    monkeypatch.setattr(room_orders, "TOLD_AGAIN_S", 0.01)
    with pytest.raises(OrderRefused, match="has something in hand"):
        await stage.manager.orders.hibernate(A)
    assert await told(actor) == await told(actor) == Leave(A, "hibernate")


async def test_a_room_whose_hook_does_not_end_leaves_later(
    stage: Stage, actor: ScriptedActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told once, and that counts."""
    monkeypatch.setattr(room_orders, "LEAVE_PATIENCE_S", 0.02)
    with pytest.raises(OrderRefused, match="leaves when it has"):
        await stage.manager.orders.leave(A)
    assert await told(actor) == Leave(A, "move")
    assert actor.inbox.left() == []


async def test_a_process_that_does_not_throw_a_room_out_is_ended(
    stage: Stage, actor: ScriptedActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook that blocks it keeps it from hearing the order."""
    monkeypatch.setattr(room_orders, "RESET_PATIENCE_S", 0.02)
    await stage.manager.orders.reset(A)
    assert stage.starter.killed[:1] == [actor.id]


async def test_a_room_that_is_not_live_is_refused(stage: Stage, actor: ScriptedActor) -> None:
    """Nobody is told anything."""
    for order in (stage.manager.orders.hibernate, stage.manager.orders.reset):
        with pytest.raises(OrderRefused, match="chat/b is not live"):
            await order(RoomKey("chat", "b"))
    assert actor.inbox.left() == []


async def test_a_room_that_moves_is_placed_elsewhere_even_before_it_has_left(
    stage: Stage, gateway: Gateway, actor: ScriptedActor
) -> None:
    """Whoever asks for it is sent to the other node if it is there, and for another room is not."""
    stage.manager.redirect(A, "there", 60.0)
    assert (await gateway.answer(gateway.ask("a"))).address == actor.address  # no such node
    stage.manager.hear([NodeLoad("n2", "there", 0, 9.0)])
    assert (await gateway.answer(gateway.ask("a"))).elsewhere == "there"
    assert (await gateway.answer(gateway.ask("b"))).address != ""
    stage.manager.redirect(A, stage.manager.address, 60.0)
    assert (await gateway.answer(gateway.ask("a"))).address == actor.address
