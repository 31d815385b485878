"""Gateways of three nodes and real room actors: what a room says, the clients of all hear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from parlour.actors.frames import Kind, unpack_broadcast
from parlour.actors.link import listen
from parlour.actors.messages import ConnectionRecord, Hello, RoomKey
from parlour.actors.room import Room
from parlour.actors.room_actor import RoomActor
from parlour.actors.room_actor_settings import RoomActorSettings
from parlour.runtime.directory import Directory
from parlour.runtime.manager_client import Managers
from parlour.runtime.router import Router
from parlour.runtime.summons import SummonsDesk

from ..actors.linked import TIMEOUT_S, Inbox
from ..actors.nodes import node
from ..actors.staging import until
from .listening import Listener
from .peers import Manager

KEY = RoomKey("loud", "lobby")
NODES = ("n1", "n2", "n3")
ROUNDS = 6


class Loud(Room):
    """Says to all what it hears."""

    def on_message(self, connection: Any, message: Any) -> None:
        self.broadcast(message)


class Node:
    """A node with a gateway, and a room actor that its manager gives to whoever asks."""

    def __init__(self, name: str, number: int, parent: Path, redis_url: str) -> None:
        self.name = name
        self.number = number
        self.network = node(name, parent=parent)
        Path(self.network.folder).chmod(0o700)
        self.manager = Manager(Path(self.network.folder))
        self.listener = Listener()
        self._redis_url = redis_url
        self._actors: list[RoomActor] = []
        self._reports = Inbox()
        self._reports_at = f"{self.network.folder}/reports.sock"
        self._server: asyncio.AbstractServer | None = None
        me = Hello("gateway", f"gateway-{name}", 1)
        self._directory = Directory(redis_url)
        self.router = Router(
            me,
            Managers(self.manager.address, me, self.network),
            self.listener,
            time.monotonic,
            self.network,
            self._directory,
        )
        self._desk = SummonsDesk(me.id, self.network, self._directory, self.router.come)
        self._me = me

    async def start(self) -> None:
        await self.manager.start()
        self._server = await listen(self._reports_at, self._reports.on_frame, self._reports.on_lost)
        address = await self._desk.start()
        self.router.introduce(msgspec.structs.replace(self._me, address=address))
        await self.new_actor()

    async def new_actor(self) -> None:
        """Rooms that wake here from now on do so in a process of their own."""
        settings = RoomActorSettings(
            f"{self.name}-{len(self._actors)}",
            self.network.folder,
            self._reports_at,
            self._redis_url,
            1,
            self.network,
        )
        self._actors.append(RoomActor(settings, {"loud": Loud}))
        await self._actors[-1].start()
        self.manager.place = self._actors[-1].address

    @property
    def has_room(self) -> bool:
        """Whether the room is live here."""
        return bool(self._actors[-1]._rooms)

    async def crash(self) -> None:
        """The process of the room ends, and its manager has deleted its lease."""
        actor = self._actors[-1]
        for server in actor._servers:
            server.close()
        await asyncio.to_thread(actor._lease.stop)
        for link in list(actor.links):
            link.abort()
        await self.new_actor()

    async def hibernate(self) -> None:
        """The room leaves in good order."""
        [room] = self._actors[-1]._rooms.values()
        await until(lambda: room.idle)
        room.leave("hibernate")
        await room.ended()

    def connect(self) -> None:
        """A client comes."""
        record = ConnectionRecord(self.number, f"c{self.number}", "ws://x/", [])
        self.router.send_connect(self.router.route(KEY), record)

    def say(self, text: str) -> None:
        """The client says something."""
        self.router.send(self.router.route(KEY), Kind.TEXT, self.number, text.encode())

    async def until_let_in(self) -> None:
        """The client is."""
        async with asyncio.timeout(TIMEOUT_S):
            while Kind.ACCEPT not in [kind for kind, _, _ in self.listener.said]:
                await self.listener.count(said=len(self.listener.said) + 1)

    def heard(self) -> list[str]:
        """What the client has heard."""
        broadcasts = [p for kind, _, p in self.listener.said if kind == Kind.BROADCAST_TEXT]
        return [unpack_broadcast(payload)[1].decode() for payload in broadcasts]

    async def close(self) -> None:
        await self._desk.stop()
        await self.router.close()
        for actor in self._actors:
            await actor.stop("shutdown")
        self.manager.close()
        if self._server is not None:
            self._server.close()


@pytest.fixture
async def nodes(tmp_path: Path, valkey_url: str) -> AsyncIterator[list[Node]]:
    """Three nodes, each with a client in the same room, which is live on the first."""
    nodes = [Node(name, i, tmp_path, valkey_url) for i, name in enumerate(NODES, 1)]
    for each in nodes:
        await each.start()
    for each in nodes:
        each.connect()
        await each.until_let_in()
    assert [each.has_room for each in nodes] == [True, False, False]
    yield nodes
    for each in nodes:
        await each.close()


@pytest.mark.parametrize("how", ["crash", "hibernate"])
async def test_the_first_word_of_a_room_that_woke_is_heard_everywhere(
    nodes: list[Node], how: str
) -> None:
    """Whoever has it woken, again and again; nobody else has said anything meanwhile."""
    expected: list[str] = []
    for number in range(ROUNDS):
        [where] = [each for each in nodes if each.has_room]
        await (where.crash() if how == "crash" else where.hibernate())
        expected.append(f"word {number}")
        nodes[number % 3].say(expected[-1])
        await until(lambda: all(len(each.heard()) >= len(expected) for each in nodes))
        assert [each.heard() for each in nodes] == [expected] * 3
    assert [each.listener.failed for each in nodes] == [[], [], []]


async def test_a_gateway_that_died_holds_nobody_up(nodes: list[Node]) -> None:
    """Its lease is gone with it, or nobody listens any more at its address."""
    await nodes[0].hibernate()
    await nodes[2]._desk.stop()
    nodes[1].say("hello")
    await until(lambda: bool(nodes[0].heard() and nodes[1].heard()))
    assert nodes[2].heard() == []
