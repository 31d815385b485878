"""A room actor between its manager and its gateways, over storage in memory and a lease at hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from parlour.actors import manager_line, messages, room_actor, silence
from parlour.actors.frames import Kind, pack
from parlour.actors.link import Link, connect, listen
from parlour.actors.messages import Attach, Hello, Report, RoomKey
from parlour.actors.network import Network
from parlour.actors.room_actor import RoomActor
from parlour.actors.room_actor_settings import RoomActorSettings
from parlour.storage import MemoryBackend
from redis.exceptions import RedisError

from .linked import GATEWAY, Inbox
from .staging import Counter, Diary, record

KEY = RoomKey("chat", "lobby")


class HandLease:
    """A lease that runs out when a test says so."""

    lost: Callable[[], None]
    taken: list[HandLease] = []

    def __init__(self, url: str, owner: str, address: str, on_lost: Callable[[], None]) -> None:
        self.owner = owner
        self.address = address
        self.valid = False
        self.stopped = False
        self.server_is_away = False
        self.refused = 0
        self.on_lost = on_lost
        HandLease.taken.append(self)

    def start(self) -> None:
        self.valid = True

    def stop(self) -> None:
        self.valid = False
        self.stopped = True

    def run_out(self) -> None:
        """The server is away, and so long that the lease has run out."""
        self.valid, self.server_is_away = False, True

    def lose(self) -> None:
        self.valid = False

    def start_over(self) -> None:
        if self.server_is_away:
            self.refused += 1
            raise RedisError("the server is away")
        self.owner += "+"

    def speak(self) -> bool:
        self.valid = not self.server_is_away
        return self.valid


class Stage:
    """A room actor, its manager's end and its gateways' ends."""

    def __init__(self, folder: Path, network: Network | None = None) -> None:
        self.manager_inbox = Inbox()
        self.manager_address = str(folder / "manager.sock")
        self.hello: Hello | None = None
        self.manager_links: list[Link] = []
        self._manager: asyncio.AbstractServer | None = None
        self._links: list[Link] = []
        settings = RoomActorSettings(
            "r1", str(folder), self.manager_address, "redis://", 7, network
        )
        self.actor = RoomActor(
            settings,
            {"chat": Chat, "counter": Counter},
            open_storage=open_memory,
            take_lease=HandLease,
        )

    @property
    def lease(self) -> HandLease:
        return HandLease.taken[-1]

    async def start_manager(self) -> None:
        self._manager = await listen(
            self.manager_address,
            self.manager_inbox.on_frame,
            self.manager_inbox.on_lost,
            on_hello=self._on_hello,
        )

    def _on_hello(self, link: Link, hello: Hello) -> None:
        self.hello = hello
        self.manager_links.append(link)

    def stop_manager(self) -> None:
        if self._manager is not None:
            self._manager.close()
        for link in self.manager_links:
            link.abort()
        self.manager_links.clear()

    def order(self, kind: Kind, payload: bytes) -> None:
        self.manager_links[-1].write(pack(kind, payload=payload))

    async def report(self, accept: Callable[[Report], bool]) -> Report:
        """The next report that is as wanted."""
        while True:
            frame = await self.manager_inbox.take()
            report = messages.decode(frame.payload, Report)
            if accept(report):
                return report

    async def gateway(self) -> tuple[Link, Inbox]:
        inbox = Inbox()
        link = await connect(self.actor.address, GATEWAY, inbox.on_frame, inbox.on_lost)
        self._links.append(link)
        return link, inbox

    async def close(self) -> None:
        for link in self._links:
            link.abort()
        await self.actor.stop("shutdown")
        self.stop_manager()


class Chat(Diary):
    """Says what it hears."""

    def on_message(self, connection: Any, message: Any) -> None:
        super().on_message(connection, message)
        connection.send(message)


async def open_memory(url: str) -> MemoryBackend:
    """A server of its own."""
    return MemoryBackend()


def attach(link: Link, channel: int = 1, key: RoomKey = KEY) -> None:
    """Ask for a room, with one connection."""
    payload = messages.encode(Attach(key, [record(1)]))
    link.write(pack(Kind.ATTACH, channel, payload=payload))


@contextlib.asynccontextmanager
async def started(
    folder: Path, monkeypatch: pytest.MonkeyPatch, network: Network | None = None
) -> AsyncIterator[Stage]:
    """A room actor that has started, and reports quickly."""

    monkeypatch.setattr(room_actor, "REPORT_INTERVAL_S", 0.005)
    monkeypatch.setattr(manager_line, "MANAGER_RETRY_S", 0.005)
    monkeypatch.setattr(silence, "RETRY_S", 0.002)
    Chat.diary = []
    HandLease.taken = []
    stage = Stage(folder, network)
    await stage.start_manager()
    await stage.actor.start()
    yield stage
    await stage.close()
