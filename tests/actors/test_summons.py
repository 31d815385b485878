"""Summons: a room that wakes has all gateways that hold its clients before it says a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors import messages, summoner
from parlour.actors.frames import Kind, pack, unpack_broadcast
from parlour.actors.link import Link, listen
from parlour.actors.messages import Hello, NotHeld, Summon
from parlour.actors.network import Network
from parlour.actors.summoner import Summoner

from .linked import Inbox
from .nodes import node
from .staging import KEY, Diary, Gateway, Stage, record, until

AT = "/run/room.sock@10.0.0.1:7"


class Loud(Diary):
    """Tells everybody what it hears."""

    def on_message(self, connection: Any, message: Any) -> None:
        super().on_message(connection, message)
        self.broadcast(message)


class Desk:
    """Where a gateway is summoned."""

    def __init__(self, folder: str, gateway_id: str) -> None:
        self.gateway_id = gateway_id
        self.address = f"{folder}/{gateway_id}.sock"
        self.inbox = Inbox()
        self.links: list[Link] = []
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        self._server = await listen(
            self.address, self.inbox.on_frame, self.inbox.on_lost, on_hello=self._on_hello
        )

    def _on_hello(self, link: Link, hello: Hello) -> None:
        assert hello.role == "room actor"
        self.links.append(link)

    async def summoned(self) -> Summon:
        """The next summons."""
        return messages.decode((await self.inbox.take_until(Kind.SUMMON))[-1].payload, Summon)

    def holds_none(self) -> None:
        answer = NotHeld(KEY, self.gateway_id)
        self.links[-1].write(pack(Kind.NOT_HELD, payload=messages.encode(answer)))

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in self.links:
            link.abort()


class Wide:
    """A room with gateways that can be summoned."""

    def __init__(self, stage: Stage, network: Network) -> None:
        self.stage = stage
        self.desks = {name: Desk(network.folder, name) for name in ("g1", "g2", "g3")}
        me = Hello("room actor", "r1", 1, AT)
        self.dead: set[str] = set()
        stage.summoner = Summoner(me, network, self._lease_alive, lambda: True)

    async def _lease_alive(self, gateway_id: str) -> bool:
        return gateway_id not in self.dead

    async def gateway(self, name: str) -> Gateway:
        return await self.stage.gateway(name, summoned_at=self.desks[name].address)

    async def with_clients(self, *names: str) -> list[Gateway]:
        """A room that has been live with a client of each, and is not any more: it crashed."""
        self.stage.start(Loud)
        gateways = [await self.gateway(name) for name in names]
        for number, gateway in enumerate(gateways, 1):
            gateway.attach()
            await gateway.done(gateway.connect(number))
        self.stage.room.break_off("a crash")
        await self.stage.ended()
        for gateway in gateways:
            await gateway.until(Kind.GONE)
        Loud.diary.clear()
        return gateways

    async def holders(self) -> dict[str, str]:
        """As the metadata of a room that has left names them."""
        backend = self.stage.backend
        claim = await backend.claim(KEY.space, owner="test", address="")
        await backend.release(KEY.space, owner=claim.owner, epoch=claim.epoch)
        return claim.holders


@pytest.fixture
async def wide(stage: Stage, tmp_path: Path) -> AsyncIterator[Wide]:
    """With three gateways, each at its desk."""
    wide = Wide(stage, node("here", parent=tmp_path))
    for desk in wide.desks.values():
        await desk.start()
    yield wide
    assert stage.summoner is not None
    stage.summoner.close()
    for desk in wide.desks.values():
        desk.close()


async def said_to(gateway: Gateway) -> bytes:
    """The next broadcast at a gateway."""
    return unpack_broadcast((await gateway.until(Kind.BROADCAST_TEXT))[-1].payload)[1]


async def test_a_client_is_let_in_once_the_metadata_names_its_gateway(wide: Wide) -> None:
    """Else a crash right after would leave it alone; a second client needs no second flush."""
    backend = wide.stage.backend
    wide.stage.start(Loud)
    gateway = await wide.gateway("g1")
    gateway.attach()
    await gateway.until(Kind.READY)
    backend.hold()
    connected = gateway.connect(1)
    await backend.asked.wait()
    assert gateway.inbox.left() == []
    backend.go_on()
    assert Kind.ACCEPT in [frame.kind for frame in await gateway.done(connected)]

    backend.hold()
    await gateway.done(gateway.connect(2))
    assert not backend.asked.is_set()
    backend.go_on()
    wide.stage.room.leave("hibernate")
    await wide.stage.ended()
    assert await wide.holders() == {"g1": wide.desks["g1"].address}


async def test_a_room_handles_nothing_before_all_who_hold_its_clients_are_there(
    wide: Wide,
) -> None:
    """The first message is heard by the clients of all of them."""
    first, second, third = await wide.with_clients("g1", "g2", "g3")
    wide.stage.start(Loud, owner="r2")
    first.attach(record(1))
    text = first.text(1, "hello")
    assert await wide.desks["g2"].summoned() == Summon(KEY, "g2", AT)
    assert await wide.desks["g3"].summoned() == Summon(KEY, "g3", AT)
    second.attach(record(2))
    await until(lambda: len(list(wide.stage.room.attachments)) == 2)
    assert Loud.diary == []

    third.attach(record(3))
    for gateway in (first, second, third):
        assert await said_to(gateway) == b"hello"
    await first.done(text)
    assert Loud.diary == ["start", ("c1", "hello")]


async def test_a_gateway_that_holds_none_is_not_waited_for_and_is_forgotten(wide: Wide) -> None:
    """With the next flush."""
    first, _ = await wide.with_clients("g1", "g2")
    wide.stage.start(Loud, owner="r2")
    first.attach(record(1))
    text = first.text(1, "hello")
    await wide.desks["g2"].summoned()
    assert Loud.diary == []
    wide.desks["g2"].holds_none()
    await first.done(text)
    wide.stage.room.storage.put("a", 1)
    wide.stage.room.leave("hibernate")
    await wide.stage.ended()
    assert await wide.holders() == {"g1": wide.desks["g1"].address}


@pytest.mark.parametrize("how", ["dead", "unreachable", "busy"])
async def test_a_room_does_not_wait_for_who_cannot_come(
    wide: Wide, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway whose lease is gone, that is not reached, or (for a while) that does not come."""
    monkeypatch.setattr(summoner, "ATTACH_PATIENCE_S", 0.03 if how == "busy" else 60.0)
    first, _ = await wide.with_clients("g1", "g2")
    if how == "dead":
        wide.dead.add("g2")
    if how != "busy":
        wide.desks["g2"].close()
    wide.stage.start(Loud, owner="r2")
    first.attach(record(1))
    await first.done(first.text(1, "hello"))
    assert Loud.diary == ["start", ("c1", "hello")]
    wide.stage.room.storage.put("a", 1)
    wide.stage.room.leave("hibernate")
    await wide.stage.ended()
    # One that may be alive is called again the next time.
    assert ("g2" in await wide.holders()) == (how != "dead")


async def test_a_gateway_whose_clients_have_left_is_forgotten(wide: Wide) -> None:
    """With a flush that there is anyway."""
    wide.stage.start(Loud)
    gateway = await wide.gateway("g1")
    gateway.attach()
    await gateway.done(gateway.connect(1))
    await gateway.done(gateway.close(1))
    wide.stage.room.storage.put("a", 1)
    wide.stage.room.leave("hibernate")
    await wide.stage.ended()
    assert await wide.holders() == {}


async def test_a_room_with_clients_of_several_gateways_hibernates(wide: Wide) -> None:
    """In good order, and none of them comes back by itself."""
    wide.stage.start(Loud)
    gateways = [await wide.gateway(name) for name in ("g1", "g2")]
    for number, gateway in enumerate(gateways, 1):
        gateway.attach()
        await gateway.done(gateway.connect(number))
    await until(lambda: wide.stage.room.idle)
    wide.stage.room.leave("hibernate")
    await wide.stage.ended()
    for gateway in gateways:
        assert (await gateway.until(Kind.GONE))[-1].payload == b""
    assert set(await wide.holders()) == {"g1", "g2"}


async def test_gateways_that_came_by_themselves_are_not_called(wide: Wide) -> None:
    """They are there before the room has its claim."""
    first, second = await wide.with_clients("g1", "g2")
    wide.stage.backend.may_claim.clear()
    wide.stage.start(Loud, owner="r2")
    first.attach(record(1))
    second.attach(record(2))
    await until(lambda: len(list(wide.stage.room.attachments)) == 2)
    wide.stage.backend.may_claim.set()
    await first.done(first.text(1, "hello"))
    assert await said_to(second) == b"hello"
    assert [desk.inbox.left() for desk in wide.desks.values()] == [[], [], []]
