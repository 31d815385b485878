"""A whole node in the loop of the gateway: real sockets in front, a real room behind."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from parlour.testing.node import Node

from parlour import Connection, Request, Response, Room

from .raw_client import TEXT, Frame, RawClient, frame, raw_client

PATH = "/parties/witness/room"


class Witness(Room):
    """Remembers every request that reached it, and says back what it is told."""

    send_buffer = 100_000
    heard: list[tuple[str, str, bytes]] = []

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        connection.send(message)

    def on_request(self, request: Request) -> Response:
        Witness.heard.append((request.method, request.path, request.body))
        return Response("heard\n")


class WholeNode:
    """A node that runs the witness, and what was complained about since it began."""

    def __init__(self) -> None:
        self.node = Node(time.monotonic)
        self.complaints: list[str] = []
        self._log = ComplaintLog(self.complaints)

    @property
    def port(self) -> int:
        return self.node.gateway.port

    @property
    def sockets(self) -> int:
        """WebSockets that the gateway holds."""
        return self.node.gateway.status().sockets

    async def start(self) -> None:
        Witness.heard = []
        logging.getLogger().addHandler(self._log)
        asyncio.get_running_loop().set_exception_handler(self._on_exception)
        self.node.deploy("witness", Witness)
        await self.node.start()

    async def stop(self) -> None:
        await self.node.stop()
        logging.getLogger().removeHandler(self._log)
        asyncio.get_running_loop().set_exception_handler(None)

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context['message']}: {context.get('exception')!r}")


class ComplaintLog(logging.Handler):
    """Keeps warnings and what is worse."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        self._complaints.append(f"{record.name}: {record.getMessage()}")


class Bystander:
    """A client that does everything right: it must not notice what others do."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self._number = 0

    async def talk(self) -> None:
        """Say something and hear it back, in time."""
        self._number += 1
        text = f"still here {self._number}".encode()
        self._client.send(frame(TEXT, text))
        assert await self._client.frame() == Frame(TEXT, text)


@asynccontextmanager
async def bystander(port: int) -> AsyncIterator[Bystander]:
    """A client that is in the room, and still is at the end."""
    async with raw_client(port) as client:
        await client.open(PATH)
        one = Bystander(client)
        await one.talk()
        yield one
        await one.talk()


@pytest.fixture
async def whole() -> AsyncIterator[WholeNode]:
    """A whole node; nothing that clients did may have been complained about."""
    whole = WholeNode()
    await whole.start()
    yield whole
    await whole.stop()
    assert whole.complaints == []
