"""A gateway and a room behind it, both real: clients on one side, hooks on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.runtime.gateway import Gateway
from parlour.runtime.gateway_news import GatewayNews
from parlour.runtime.release import Limits
from parlour.runtime.settings import GatewaySettings

from ..actors.staging import Stage
from ..support.running import free_port
from .peers import Manager

PATH = "/parties/chat/lobby"


class House(Stage):
    """A room over storage in memory, and the gateway that its clients come to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.manager = Manager(folder)
        self.gateway_: Gateway

    async def open(self, room_class: type[Room]) -> None:
        """Start a room, and a gateway that finds it."""
        self.start(room_class)
        await self.manager.start()
        self.manager.place = await self.listen()
        settings = GatewaySettings(
            host="127.0.0.1",
            port=self.port,
            manager_address=self.manager.address,
            redis_url="unix:///nowhere.sock",
        )
        parties = {"chat": options_of(room_class)}
        limits = Limits(request_timeout_s=2.0)
        self.gateway_ = Gateway(settings, GatewayNews(1, parties, limits=limits))
        await self.gateway_.start()

    async def shut(self) -> None:
        await self.gateway_.stop()
        self.manager.close()
        await self.close()


@asynccontextmanager
async def house_of(folder: Path, room_class: type[Room]) -> AsyncIterator[House]:
    """A house with a room of this class."""
    house = House(folder)
    await house.open(room_class)
    try:
        yield house
    finally:
        await house.shut()


def get(path: str = "", method: str = "GET", *headers: str) -> bytes:
    """A request to the room, as bytes."""
    return "\r\n".join([f"{method} {PATH}{path} HTTP/1.1", "Host: h", *headers, "", ""]).encode()
