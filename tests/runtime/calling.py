"""Rooms in several room actors behind one gateway, all in this process: over storage in memory,
with leases at hand and a manager that puts each room where the test says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind, pack
from parlour.actors.link import Link, listen
from parlour.actors.live_room import LiveRoom
from parlour.actors.messages import Hello, Placed, RoomKey, Wake
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.actors.room_actor import RoomActor
from parlour.actors.room_actor_settings import RoomActorSettings
from parlour.runtime import room_finder
from parlour.runtime.gateway import Gateway
from parlour.runtime.gateway_news import GatewayNews
from parlour.runtime.outside import Rooms, connect
from parlour.runtime.settings import GatewaySettings

from ..actors.acting import HandLease
from ..actors.staging import SlowBackend
from ..support.running import free_port

TOKEN = "the token of this cluster"


class Stage:
    """One gateway and two room actors.

    Attributes:
        places: Which room actor has a room, by its id; those not named are the first one's.
    """

    def __init__(self, folder: Path, parties: Mapping[str, type[Room]]) -> None:
        self.backend = SlowBackend()
        self.places: dict[str, int] = {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._manager_address = str(folder / "manager.sock")
        self._folder = str(folder)
        self._parties = parties
        self.actors = [self._actor(f"r{number}") for number in range(2)]
        self.gateway = self._gateway()
        self._manager: asyncio.AbstractServer
        self._links: list[Link] = []

    def _actor(self, name: str) -> RoomActor:
        settings = RoomActorSettings(name, self._folder, self._manager_address, "redis://", 1)
        return RoomActor(settings, self._parties, open_storage=self._open, take_lease=HandLease)

    async def _open(self, _: str) -> Any:
        return self.backend

    def _gateway(self) -> Gateway:
        settings = GatewaySettings(
            host="127.0.0.1",
            port=self.port,
            manager_address=self._manager_address,
            redis_url=f"unix://{self._folder}/no-server.sock",
        )
        options = {party: options_of(of) for party, of in self._parties.items()}
        return Gateway(settings, GatewayNews(1, options), self._open, token=TOKEN)

    async def start(self) -> None:
        self._manager = await listen(
            self._manager_address, self._on_frame, lambda _: None, on_hello=self._on_hello
        )
        for actor in self.actors:
            await actor.start()
        await self.gateway.start()

    async def close(self) -> None:
        self.backend.problem = None
        self.backend.go_on()
        for actor in self.actors:
            await actor.stop("shutdown")
        await self.gateway.stop()
        self._manager.close()
        for link in self._links:
            link.abort()

    async def restart_gateway(self) -> None:
        """The gateway is gone, with all that it held, and another one comes."""
        await self.gateway.stop()
        await self.start_gateway()

    async def start_gateway(self) -> None:
        """Another gateway comes, on the same port."""
        self.gateway = self._gateway()
        await self.gateway.start()

    def outside(self) -> Rooms:
        """The rooms as a program outside of them sees them."""
        return connect(self.url, token=TOKEN)

    def room(self, name: str) -> LiveRoom | None:
        """A live room, by its id."""
        for actor in self.actors:
            for room in actor.rooms:
                if room.key.id == name:
                    return room
        return None

    def place(self, key: RoomKey) -> str:
        return self.actors[self.places.get(key.id, 0)].address

    def _on_hello(self, link: Link, _: Hello) -> None:
        self._links.append(link)

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.WAKE:
            placed = Placed(self.place(messages.decode(payload, Wake).key))
            link.write(pack(Kind.PLACED, number=number, payload=messages.encode(placed)))


@contextlib.asynccontextmanager
async def staged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, **parties: type[Room]
) -> AsyncIterator[Stage]:
    """A stage that has started, with these room classes."""
    stage = Stage(folder, parties)

    monkeypatch.setattr(room_finder, "BACKOFF_MAX_S", 0.0)
    HandLease.taken = []
    await stage.start()
    try:
        yield stage
    finally:
        await stage.close()
