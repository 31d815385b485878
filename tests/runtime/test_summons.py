"""The desk at which room actors summon a gateway, and the gateway's lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import lease, messages
from parlour.actors.frames import Kind, pack
from parlour.actors.link import Link, connect
from parlour.actors.messages import Hello, NotHeld, RoomKey, Summon
from parlour.actors.network import Address, Network
from parlour.runtime.directory import Directory
from parlour.runtime.summons import LEASE_S, SummonsDesk
from parlour.storage.keys import lease_key
from redis.asyncio import Redis

from ..actors.linked import TIMEOUT_S, Inbox
from ..actors.nodes import node

KEY = RoomKey("chat", "lobby")
ROOM_ACTOR = Hello("room actor", "r1", 1, "/run/room.sock@10.0.0.2:7")


class Stage:
    """A gateway's desk, and whom it was called to."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.network = node("here", parent=folder)
        Path(self.network.folder).chmod(0o700)
        self.directory = Directory(redis_url)
        self.desk = SummonsDesk("g1", self.network, self.directory, self._comes)
        self.called: asyncio.Queue[tuple[RoomKey, str]] = asyncio.Queue()
        self.holds_clients = True
        self.address = ""
        self._links: list[Link] = []

    def _comes(self, key: RoomKey, address: str) -> bool:
        self.called.put_nowait((key, address))
        return self.holds_clients

    async def summon(self, gateway_id: str, network: Network) -> Inbox:
        """What a room actor on that node does."""
        inbox = Inbox()
        link = await connect(
            self.address, ROOM_ACTOR, inbox.on_frame, inbox.on_lost, network=network
        )
        self._links.append(link)
        summon = Summon(KEY, gateway_id, ROOM_ACTOR.address)
        link.write(pack(Kind.SUMMON, payload=messages.encode(summon)))
        return inbox

    def close(self) -> None:
        for link in self._links:
            link.abort()


@pytest.fixture
async def stage(tmp_path: Path, valkey_url: str) -> AsyncIterator[Stage]:
    """A desk that is open."""
    stage = Stage(tmp_path, valkey_url)
    stage.address = await stage.desk.start()
    yield stage
    stage.close()
    await stage.desk.stop()
    await stage.directory.close()


@pytest.mark.parametrize("name", ["here", "there"])
async def test_room_actors_of_every_node_can_call(stage: Stage, tmp_path: Path, name: str) -> None:
    """With the cluster's secret; who has clients comes, and says nothing."""
    assert Address.parse(stage.address).folder == stage.network.folder
    await stage.summon("g1", node(name, parent=tmp_path))
    async with asyncio.timeout(TIMEOUT_S):
        assert await stage.called.get() == (KEY, ROOM_ACTOR.address)


async def test_who_holds_no_client_says_so(stage: Stage) -> None:
    """Nobody waits for it then."""
    stage.holds_clients = False
    inbox = await stage.summon("g1", stage.network)
    answer = (await inbox.take_until(Kind.NOT_HELD))[-1]
    assert messages.decode(answer.payload, NotHeld) == NotHeld(KEY, "g1")


async def test_a_call_for_the_gateway_before_is_answered_for_it(stage: Stage) -> None:
    """Its clients are gone with it."""
    inbox = await stage.summon("g0", stage.network)
    answer = (await inbox.take_until(Kind.NOT_HELD))[-1]
    assert messages.decode(answer.payload, NotHeld) == NotHeld(KEY, "g0")
    assert stage.called.empty()


async def test_a_gateway_has_a_lease_while_it_is_there(
    stage: Stage, valkey_url: str, tmp_path: Path
) -> None:
    """It is given back at the end; a gateway that dies loses it in seconds."""
    async with Redis.from_url(valkey_url) as server, asyncio.timeout(TIMEOUT_S):
        while not (left_ms := await server.pttl(lease_key("g1"))) > 0:
            pass
        assert left_ms <= LEASE_S * 1000
        # Of a node that is lost, the gateway counts as dead before the rooms wake elsewhere.
        assert LEASE_S <= lease.LEASE_S - lease.RENEWAL_S
        await stage.desk.stop()
        assert not await server.exists(lease_key("g1"))
