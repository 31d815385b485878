"""The hibernation manager of one node among others: rooms move, and are sent elsewhere."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind, pack
from parlour.actors.link import connect
from parlour.actors.messages import Hello, Leave, Placed, Report, RoomKey, Wake
from parlour.actors.network import Address
from parlour.actors.options import options_of
from parlour.runtime import manager as manager_module
from parlour.runtime import wakes as wakes_module
from parlour.runtime.actor_record import ActorState
from parlour.runtime.code import Code
from parlour.runtime.deployment import Deployment
from parlour.runtime.manager import HibernationManager
from parlour.runtime.manager_client import Managers
from parlour.runtime.placement import NodeLoad
from parlour.runtime.rollout import MOVING_MAX

from ..actors.linked import Inbox
from ..actors.nodes import node
from ..actors.staging import until
from .managed import Chat, Gateway, ScriptedActor, Stage, live

THERE = "/there/manager.sock@10.0.0.2:7"
PEER = NodeLoad("there", THERE, free_places=10, cpu_load=0.0)


@pytest.fixture(autouse=True)
def idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """This one may be busy."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A manager that looks around all the time."""
    monkeypatch.setattr(manager_module, "TICK_S", 0.005)
    stage = Stage(tmp_path, free_memory_bytes_min=0)
    await stage.manager.start(None)
    yield stage
    await stage.close()


def use(stage: Stage, version: int, within_s: float | None) -> None:
    """Have a version used, as the controller does."""
    code = Code({"chat": options_of(Chat)}, b"code %d" % version)
    stage.manager.use(Deployment(version, code), within_s=within_s)


async def live_room(stage: Stage, gateway: Gateway, name: str) -> ScriptedActor:
    """A room that is live, and its room actor."""
    actor = stage.starter.at(await gateway.place(name))
    actor.report(live(name))
    await until(lambda: any(room.key.id == name for _, room in stage.manager.pool.rooms()))
    return actor


async def order(actor: ScriptedActor) -> Leave:
    """What a room actor is told next about a room."""
    frame = (await actor.inbox.take_until(Kind.HIBERNATE))[-1]
    return messages.decode(frame.payload, Leave)


async def answered(gateway: Gateway, name: str, *, only_here: bool = False) -> Placed:
    """What the manager says about a room."""
    if not only_here:
        return await gateway.answer(gateway.ask(name))
    wake = messages.encode(Wake(RoomKey("chat", name), only_here=True))
    gateway.link.write(pack(Kind.WAKE, number=99, payload=wake))
    return await gateway.answer(99)


# Versions


async def test_without_a_time_live_rooms_stay_until_they_hibernate(stage: Stage) -> None:
    """Those that wake have the new version."""
    await stage.deploy()
    gateway = await stage.gateway()
    old = await live_room(stage, gateway, "a")
    use(stage, 2, None)
    assert stage.starter.at(await gateway.place("b")).version == 2
    assert await gateway.place("a") == old.address
    assert Kind.HIBERNATE not in [frame.kind for frame in old.inbox.left()]
    status = stage.manager.hear([])
    assert (status.version, status.outdated_rooms, status.live_rooms) == (2, 1, 2)


async def test_within_a_time_few_move_at_once(stage: Stage) -> None:
    """Through `on_stop("deploy")`; without a time, as fast as processes wait for them."""
    await stage.deploy()
    gateway = await stage.gateway()
    old = await live_room(stage, gateway, "a")
    names = [f"r{number}" for number in range(3 * MOVING_MAX)]
    old.report(*map(live, names))
    await until(lambda: stage.manager.pool.room_count == len(names))
    use(stage, 2, 1e6)
    assert stage.manager.hear([]).outdated_rooms == len(names)
    assert [frame.kind for frame in old.inbox.left()].count(Kind.HIBERNATE) <= 1
    use(stage, 3, 0.0)
    told: set[str] = set()
    for number in range(1, 6):
        leave = await order(old)
        assert leave.reason == "deploy"
        told.add(leave.key.id)
        assert len(told) == number
        old.report(*(live(name) for name in names if name not in told))
        new = await live_room(stage, gateway, leave.key.id)
        assert new.version == 3


async def test_rooms_that_started_and_failed_are_counted(stage: Stage) -> None:
    """With the version in use: each room once, however often it was tried."""
    await stage.deploy()
    gateway = await stage.gateway()
    actor = stage.starter.at(await gateway.place("a"))

    def report(*rooms: str, failed: tuple[str, ...] = (), state: str = "live") -> None:
        assert actor.link is not None
        keys = [RoomKey("chat", name) for name in failed]
        payload = messages.encode(Report([live(name, state) for name in rooms], 1, "", keys))
        actor.link.write(pack(Kind.REPORT, payload=payload))

    async def counted(started: int, failed: int) -> None:
        def as_wanted() -> bool:
            status = stage.manager.hear([])
            return (status.started_rooms, status.failed_rooms) == (started, failed)

        await until(as_wanted)

    report("a", state="waking")
    report("a", failed=("b", "c"), state="waking")
    await counted(0, 2)
    report("a", failed=("b",))
    await counted(1, 2)
    report("a", "b", state="idle")
    await counted(2, 1)
    report("a")
    report(failed=("a", "d"))  # a had started before: what it has stored since is to blame
    await counted(2, 2)

    use(stage, 2, None)
    await counted(0, 0)
    report("a", failed=("b",))  # with the older version
    gateway = await stage.gateway()
    await gateway.place("z")
    await counted(0, 0)


# What it says of itself, and other nodes


async def test_it_says_how_things_are(stage: Stage) -> None:
    """Before anything is deployed no room may wake here."""
    status = stage.manager.hear([])
    assert status.load.leaving
    assert (status.version, status.live_rooms, status.standbys) == (0, 0, 0)
    await stage.deploy()
    await stage.standbys(2)
    gateway = await stage.gateway()
    places = stage.manager.hear([]).load.free_places
    await live_room(stage, gateway, "a")
    await stage.standbys(2)
    status = stage.manager.hear([])
    assert not status.load.leaving
    assert (status.version, status.live_rooms, status.standbys, status.room_actors) == (1, 1, 2, 3)
    assert status.load.free_places == places - 1
    assert status.load.node_id == "n"
    assert status.load.manager_address == stage.manager.address


async def test_a_node_that_is_full_sends_elsewhere(tmp_path: Path) -> None:
    """Rooms that it has not; those that it has, and who may not be sent on, are served here."""
    async with Stage(tmp_path, live_rooms_max=1, free_memory_bytes_min=0) as stage:
        await stage.deploy()
        gateway = await stage.gateway()
        stage.manager.hear([PEER])
        actor = await live_room(stage, gateway, "a")
        assert await answered(gateway, "b") == Placed(elsewhere=THERE)
        assert await gateway.place("a") == actor.address
        number = gateway.ask("c")
        assert await gateway.answer(number) == Placed(elsewhere=THERE)

        stage.manager.hear([NodeLoad("there", THERE, free_places=0, cpu_load=0.0)])
        number = gateway.ask("d")  # nobody has a place: it waits for one here
        await until(lambda: "1 waiting" in repr(stage.manager))
        actor.report(live("a"))  # a gateway that was given its address has attached
        actor.report()
        assert (await gateway.answer(number)).address == actor.address


async def test_a_node_that_is_short_of_memory_sends_elsewhere(tmp_path: Path) -> None:
    """While others have some."""
    async with Stage(tmp_path, free_memory_bytes_min=2**60) as stage:
        await stage.deploy()
        gateway = await stage.gateway()
        assert stage.manager.hear([PEER]).load.short_of_memory
        assert await answered(gateway, "a") == Placed(elsewhere=THERE)


async def test_a_busy_node_sends_to_one_that_is_half_as_busy(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps its rooms otherwise."""
    await stage.deploy()
    gateway = await stage.gateway()
    monkeypatch.setattr(os, "getloadavg", lambda: (1e6, 0.0, 0.0))
    stage.manager.hear([PEER])
    assert await answered(gateway, "a") == Placed(elsewhere=THERE)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert (await answered(gateway, "a")).address


async def test_what_others_said_long_ago_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be gone: the room waits here."""
    monkeypatch.setattr(wakes_module, "PEERS_STALE_S", 0.0)
    async with Stage(tmp_path, live_rooms_max=1, free_memory_bytes_min=0) as stage:
        await stage.deploy()
        gateway = await stage.gateway()
        stage.manager.hear([PEER])
        actor = await live_room(stage, gateway, "a")
        number = gateway.ask("b")
        await until(lambda: "1 waiting" in repr(stage.manager))
        actor.report(live("a"))  # a gateway that was given its address has attached
        actor.report()
        assert (await gateway.answer(number)).address == actor.address


# Draining


async def test_draining_moves_rooms_and_lets_none_wake(stage: Stage) -> None:
    """Those that ask, and those that have waited, are sent elsewhere; nothing is started."""
    await stage.deploy()
    await stage.standbys(2)
    gateway = await stage.gateway()
    actor = await live_room(stage, gateway, "a")
    await stage.standbys(2)
    stage.manager.hear([PEER])
    stage.manager.drain(0.0)
    assert await order(actor) == Leave(RoomKey("chat", "a"), "move")
    assert await answered(gateway, "b") == Placed(elsewhere=THERE)
    before = len(stage.starter.actors)
    actor.report()
    await until(lambda: all(each.told_to_end for each in stage.starter.actors))
    for each in stage.starter.actors:
        each.end()
    await until(lambda: not stage.manager.pool.actors)
    assert len(stage.starter.actors) == before
    assert stage.manager.hear([PEER]).load.leaving
    assert await answered(gateway, "a") == Placed(elsewhere=THERE)


async def test_a_room_that_is_still_there_is_served_while_it_drains(stage: Stage) -> None:
    """Its events go on until it has left."""
    await stage.deploy()
    gateway = await stage.gateway()
    actor = await live_room(stage, gateway, "a")
    stage.manager.hear([PEER])
    stage.manager.drain(1e6)
    assert await gateway.place("a") == actor.address


async def test_who_waits_when_draining_begins_is_sent_elsewhere(tmp_path: Path) -> None:
    """At once, not when the patience with a place here is over."""
    async with Stage(tmp_path, live_rooms_max=1, free_memory_bytes_min=0) as stage:
        await stage.deploy()
        gateway = await stage.gateway()
        await live_room(stage, gateway, "a")
        number = gateway.ask("b")
        await until(lambda: "1 waiting" in repr(stage.manager))
        stage.manager.hear([PEER])
        stage.manager.drain(0.0)
        assert await gateway.answer(number) == Placed(elsewhere=THERE)


@pytest.mark.parametrize("only_here", [False, True])
async def test_who_can_be_sent_nowhere_is_told_so_at_once(stage: Stage, only_here: bool) -> None:
    """Whoever asks can try again; waiting here would be for nothing."""
    await stage.deploy()
    await stage.standbys(2)
    gateway = await stage.gateway()
    stage.manager.hear([PEER] if only_here else [])
    stage.manager.drain(0.0)
    placed = await answered(gateway, "b", only_here=only_here)
    assert "is being drained" in placed.error
    assert "0 waiting" in repr(stage.manager)


async def test_a_deploy_does_not_end_draining(stage: Stage) -> None:
    """Neither do rooms wake again here, nor are those that have to leave forgotten."""
    await stage.deploy()
    await stage.standbys(2)
    gateway = await stage.gateway()
    actor = await live_room(stage, gateway, "a")
    stage.manager.hear([])
    stage.manager.drain(0.2)
    await stage.manager.try_out(Deployment(2, Code({"chat": options_of(Chat)}, b"code 2")))
    use(stage, 2, None)
    assert "is being drained" in (await answered(gateway, "b")).error
    assert await order(actor) == Leave(RoomKey("chat", "a"), "move")
    actor.report()
    await until(lambda: all(each.told_to_end for each in stage.starter.actors))


# Over the network


async def test_gateways_of_other_nodes_ask_over_the_network(tmp_path: Path) -> None:
    """With the cluster's secret, and get the address at which they reach the room actor."""
    here, there = node("here", parent=tmp_path), node("there", parent=tmp_path)
    os.chmod(here.folder, 0o700)
    async with Stage(Path(here.folder), network=here, free_memory_bytes_min=0) as stage:
        await stage.deploy()
        address = Address.parse(stage.manager.address)
        assert (address.path, address.host) == (stage.settings.address, "127.0.0.1")
        assert address.port > 0
        assert stage.manager.hear([]).load.manager_address == stage.manager.address

        hello = Hello("gateway", "g2", 1)
        managers = Managers(stage.manager.address, hello, there)
        place = await managers.place(RoomKey("chat", "a"))
        assert place == stage.starter.at(place).address
        managers.close()

        inbox = Inbox()
        stranger = node("there", b"of another cluster", parent=tmp_path)
        with pytest.raises(OSError, match="unproved"):
            await connect(
                stage.manager.address, hello, inbox.on_frame, inbox.on_lost, network=stranger
            )


async def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    """Whoever may enter it may speak for a room."""
    os.chmod(tmp_path, 0o755)
    stage = Stage(tmp_path)
    with pytest.raises(PermissionError, match="nobody else may enter"):
        await stage.manager.start(None)
    assert stage.manager.pool.count(ActorState.STARTING) == 0
    assert isinstance(stage.manager, HibernationManager)
