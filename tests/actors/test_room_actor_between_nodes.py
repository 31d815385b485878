"""A room actor and gateways of other nodes: over TCP, and only for rooms that it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind, pack
from parlour.actors.link import Link, connect
from parlour.actors.messages import Attach, Leave, Refused, RoomKey
from parlour.actors.network import Address, Network, manager_address, node_folder
from parlour.actors.options import options_of
from parlour.actors.resources import ActorResources
from parlour.actors.room_actor_settings import RoomActorSettings
from parlour.storage import ClaimHeld

from .acting import KEY, Chat, Stage, attach, started
from .linked import GATEWAY, Inbox
from .nodes import node
from .staging import Diary, record, until


class Broken(Diary):
    """Starts when it may."""

    may_start = False

    def on_start(self) -> Any:
        super().on_start()
        if not Broken.may_start:
            raise RuntimeError("not yet")


@pytest.fixture
def here(tmp_path: Path) -> Network:
    """The node of the room actor."""
    return node("here", parent=tmp_path)


@pytest.fixture
async def stage(here: Network, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A room actor that other nodes reach."""
    monkeypatch.setattr(Broken, "may_start", False)
    Broken.diary = []
    async with started(Path(here.folder), monkeypatch, here) as stage:
        stage.actor._parties["broken"] = (Broken, options_of(Broken))
        yield stage


async def gateway(stage: Stage, network: Network | None) -> tuple[Link, Inbox]:
    """A gateway, of another node or (None) of the same one."""
    inbox = Inbox()
    link = await connect(
        stage.actor.address, GATEWAY, inbox.on_frame, inbox.on_lost, network=network
    )
    stage._links.append(link)
    return link, inbox


def attach_if_live(link: Link, channel: int = 1, key: RoomKey = KEY) -> None:
    """Ask for a room, unless it would have to wake for that."""
    payload = messages.encode(Attach(key, [record(1)], only_live=True))
    link.write(pack(Kind.ATTACH, channel, payload=payload))


async def refusal(inbox: Inbox) -> Refused:
    """The next one."""
    return messages.decode((await inbox.take_until(Kind.REFUSED))[-1].payload, Refused)


async def test_it_says_where_other_nodes_reach_it(stage: Stage, here: Network) -> None:
    """To its manager, with its lease, and with each claim: gateways learn it from there."""
    address = Address.parse(stage.actor.address)
    assert address.folder == here.folder
    assert address.host == "127.0.0.1"
    assert address.port > 0
    await until(lambda: stage.hello is not None)
    assert stage.hello is not None
    assert stage.hello.address == stage.actor.address
    assert stage.lease.address == stage.actor.address

    link, inbox = await gateway(stage, node("there"))
    attach(link)
    await inbox.take_until(Kind.READY)
    backend = stage.actor._backend
    with pytest.raises(ClaimHeld) as held:
        await backend.claim(KEY.space, owner="another", address="")
    assert held.value.address == stage.actor.address


async def test_a_node_that_is_alone_is_reached_over_its_unix_socket_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address names no port, and it has none."""
    async with started(tmp_path, monkeypatch) as stage:
        assert Address.parse(stage.actor.address).port == 0
        assert len(stage.actor._servers) == 1


async def test_gateways_of_every_node_share_a_room(stage: Stage, here: Network) -> None:
    """Over TCP and over the Unix socket; a broadcast is one frame to each gateway."""
    near, near_inbox = await gateway(stage, here)
    far, far_inbox = await gateway(stage, node("there"))
    for link, inbox in ((near, near_inbox), (far, far_inbox)):
        attach(link)
        await inbox.take_until(Kind.READY)
    far.write(pack(Kind.TEXT, 1, 1, 1, b"from afar"))
    near.write(pack(Kind.TEXT, 1, 1, 1, b"from here"))
    assert (await far_inbox.take_until(Kind.SEND_TEXT))[-1].payload == b"from afar"
    assert (await near_inbox.take_until(Kind.SEND_TEXT))[-1].payload == b"from here"
    assert Chat.diary.count("start") == 1


async def test_a_process_past_its_lease_is_silent_to_other_nodes_too(stage: Stage) -> None:
    """The lease is asked on every link."""
    link, inbox = await gateway(stage, node("there"))
    attach(link)
    await inbox.take_until(Kind.READY)
    stage.lease.run_out()
    link.write(pack(Kind.TEXT, 1, 1, 1, b"hello?"))
    await until(lambda: stage.actor._silence.is_on)
    link.write(pack(Kind.TEXT, 1, 1, 2, b"are you there?"))
    attach(link, 2, RoomKey("chat", "another"))
    frames = await inbox.take_until(Kind.REFUSED)
    assert [frame.kind for frame in frames] == [Kind.REFUSED]


async def test_a_room_that_is_not_live_is_refused_to_who_wants_it_live(stage: Stage) -> None:
    """Nothing starts; whoever asks without that condition has it woken, and then it is there."""
    link, inbox = await gateway(stage, node("there"))
    attach_if_live(link)
    assert (await refusal(inbox)).reason == "absent"
    assert Chat.diary == []
    attach(link, 2)
    await inbox.take_until(Kind.READY)
    attach_if_live(link, 3)
    assert (await inbox.take_until(Kind.READY))[-1].channel == 3
    assert Chat.diary == ["start"]

    stage.order(Kind.HIBERNATE, messages.encode(Leave(KEY, "hibernate")))
    await inbox.take_until(Kind.GONE)
    await until(lambda: not stage.actor._rooms)
    attach_if_live(link, 4)
    assert (await refusal(inbox)).reason == "absent"


async def test_a_party_that_is_not_there_is_absent_to_who_wants_it_live(stage: Stage) -> None:
    """An outdated pointer must not fail the events of a room: another version may have it."""
    link, inbox = await gateway(stage, node("there"))
    attach_if_live(link, key=RoomKey("game", "x"))
    assert (await refusal(inbox)).reason == "absent"


async def test_a_process_without_a_lease_still_tells_who_wants_a_live_room(
    stage: Stage,
) -> None:
    """At once, so that the room can wake elsewhere; the link stays."""
    link, inbox = await gateway(stage, node("there"))
    await until(lambda: stage.hello is not None)
    stage.lease.run_out()
    stage.lease.on_lost()
    await until(lambda: stage.actor._silence.is_on)
    attach_if_live(link)
    assert (await refusal(inbox)).reason in ("absent", "held")


async def test_a_room_that_cannot_start_is_reported_once(stage: Stage) -> None:
    """Each time that it is tried: versions are given up by these numbers."""
    key = RoomKey("broken", "x")
    link, inbox = await gateway(stage, node("there"))
    attach(link, key=key)
    assert (await refusal(inbox)).reason == "start failed"
    assert (await stage.report(lambda r: bool(r.failed))).failed == [key]
    for _ in range(3):
        assert (await stage.report(lambda _: True)).failed == []
    attach(link, 2, key=key)
    await stage.report(lambda r: r.failed == [key])

    Broken.may_start = True
    attach(link, 3, key=key)
    await inbox.take_until(Kind.READY)
    report = await stage.report(lambda r: bool(r.rooms))
    assert report.failed == []


async def test_rooms_that_left_or_were_refused_have_not_failed(stage: Stage) -> None:
    """Only `on_start` counts."""
    link, inbox = await gateway(stage, node("there"))
    attach_if_live(link)
    await refusal(inbox)
    attach(link, 2, key=RoomKey("game", "x"))
    await refusal(inbox)
    attach(link, 3)
    await inbox.take_until(Kind.READY)
    stage.order(Kind.HIBERNATE, messages.encode(Leave(KEY, "hibernate")))
    await inbox.take_until(Kind.GONE)
    assert (await stage.report(lambda r: not r.rooms)).failed == []


async def test_failures_are_kept_for_a_manager_that_is_away(stage: Stage) -> None:
    """Up to a limit; it learns of them when it is back."""
    key = RoomKey("broken", "x")
    await until(lambda: stage.hello is not None)
    stage.stop_manager()
    await until(lambda: not stage.actor._manager.linked)
    link, inbox = await gateway(stage, node("there"))
    attach(link, key=key)
    await refusal(inbox)
    stage.manager_inbox = Inbox()
    await stage.start_manager()
    assert (await stage.report(lambda r: bool(r.failed))).failed == [key]


def test_one_that_ray_places_on_another_node_belongs_to_that_nodes_manager() -> None:
    """Its sockets are in that node's folder, and it is reached at that node's address."""
    first = Network(node_folder("0123456789abcdefg"), "10.0.0.1", b"secret")
    gpu = ActorResources(num_gpus=1.0)
    settings = RoomActorSettings(
        "r1", first.folder, manager_address(first.folder), "redis://", 7, first, resources=gpu
    )
    moved = settings.moved_to("fedcba98765432100", "10.0.0.2", None)
    assert moved.folder == "/tmp/parlour-fedcba9876543210"
    assert moved.manager_address == "/tmp/parlour-fedcba9876543210/manager.sock"
    assert moved.network == Network(moved.folder, "10.0.0.2", b"secret")
    assert (moved.id, moved.version, moved.resources) == ("r1", 7, gpu)
    assert settings.moved_to("0123456789abcdefg", "10.0.0.1", None) == settings
