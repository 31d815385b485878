"""A gateway between clients and a room actor that follows a script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from parlour.actors import messages
from parlour.actors.frames import Kind
from parlour.actors.messages import Standing
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.runtime.gateway import Gateway
from parlour.runtime.gateway_news import GatewayNews
from parlour.runtime.settings import GatewaySettings

from ..actors.linked import Frame as LinkFrame
from ..actors.staging import until
from ..support.running import free_port
from .peers import Manager, RoomActor
from .raw_client import RawClient, upgrade

OPTIONS = options_of(Room)


class Stage:
    """A gateway between clients and a room actor that follows a script."""

    def __init__(self, folder: Path) -> None:
        self.manager = Manager(folder)
        self.actor = RoomActor(folder)
        self.port = free_port()
        settings = GatewaySettings(
            host="127.0.0.1",
            port=self.port,
            manager_address=self.manager.address,
            redis_url=f"unix://{folder}/no-server.sock",
        )
        parties = {"main": OPTIONS, "chat": OPTIONS}
        self.gateway = Gateway(settings, GatewayNews(1, parties))

    async def channel(self) -> int:
        """The channel of the room, once it is attached and ready."""
        channel, _ = await self.actor.attached()
        self.actor.say(Kind.READY, channel)
        return channel

    async def let_in(self, client: RawClient, channel: int, path: str = "/party/x") -> LinkFrame:
        """Have the room let a client in; returns its CONNECT."""
        client.send(upgrade(path))
        connect = await self.actor.event()
        assert connect.kind is Kind.CONNECT
        self.accept(channel, connect.number)
        await client.opened()
        return connect

    def accept(self, channel: int, number: int, state: bytes = b"") -> None:
        standing = messages.encode(Standing(["t"], state))
        self.actor.say(Kind.TAKEN, channel, number)
        self.actor.say(Kind.ACCEPT, channel, number, payload=standing)


@asynccontextmanager
async def gateway_stage(folder: Path) -> AsyncIterator[Stage]:
    """One that listens; its alarms' index cannot be reached, which harms nobody."""
    stage = Stage(folder)
    await stage.manager.start()
    await stage.actor.start()
    stage.manager.place = stage.actor.address
    await stage.gateway.start()
    yield stage
    await stage.gateway.stop()
    await until(lambda: "0 sockets" in repr(stage.gateway))
    stage.manager.close()
    stage.actor.close()
