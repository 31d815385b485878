"""Rows about rooms that call rooms: a test for each, named after it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from parlour.testing import Rooms, RoomUnderTest

from parlour import (
    Connection,
    DeadlockError,
    RemoteError,
    Request,
    Response,
    Room,
    RoomUnavailable,
)


class Odd(Exception):
    """Of no library that a caller could have."""


class Target(Room):
    """What is called."""

    def on_start(self) -> None:
        if self.id == "broken":
            raise RuntimeError("cannot start")
        self.started = True
        self.order: list[int] = []

    def add(self, a: int, b: int) -> int:
        assert self.started
        return a + b

    def keep(self, value: list[int]) -> list[int]:
        value.append(0)
        return value

    def raises(self, kind: str) -> None:
        raise KeyError("missing") if kind == "python" else Odd("strange")

    def note(self, number: int) -> list[int]:
        self.order.append(number)
        return self.order

    async def back(self, caller: str) -> Any:
        return await self.parties.caller.get(caller).hello()

    def on_connect(self, connection: Connection, request: Request) -> None:
        connection.send(f"hello {request.path}")

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        connection.send(message)

    def on_request(self, request: Request) -> Response:
        return Response.json({"path": request.path, "id": self.id, "q": request.query.get("q")})


class Caller(Room):
    """What calls; its tests are its methods."""

    def hello(self) -> str:
        return "hello"

    async def on_request(self, request: Request) -> Any:
        return Response.json(await getattr(self, request.path[1:])())

    async def fetch(self) -> Any:
        stub = self.parties.target.get("a b/c")
        wrong = None
        try:
            await stub.fetch("no slash")
        except ValueError as error:
            wrong = type(error).__name__
        return [json.loads((await stub.fetch("/x?q=1")).body), wrong]

    async def socket(self) -> Any:
        socket = await self.parties.target.get("t").connect("/below")
        socket.send("text")
        socket.send(b"bytes")
        heard = [await socket.receive() for _ in range(3)]
        socket.close()
        return [heard[0], heard[1], list(heard[2])]

    async def call(self) -> Any:
        stub = self.parties.target.get("t")
        mine = [1]
        theirs = await stub.keep(mine)
        return [await stub.add(2, b=3), mine, theirs]

    async def errors(self) -> Any:
        stub, names = self.parties.target.get("t"), []
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: stub.raises("python"),
            lambda: stub.raises("odd"),
            lambda: self.parties.target.get("broken").add(1, 2),
            lambda: stub.back(self.id),
        ]
        for call in calls:
            try:
                await call()
            except (KeyError, RemoteError, RoomUnavailable, DeadlockError) as error:
                names.append(type(error).__name__)
        return [*names, await stub.add(1, 1)]

    async def ordered(self) -> Any:
        stub = self.parties.target.get("t")
        answers = await asyncio.gather(*(stub.note(number) for number in range(20)))
        return answers[-1]


@pytest.fixture
def caller(rooms: Rooms) -> RoomUnderTest[Caller]:
    """A room that calls others."""
    rooms.deploy(Target)
    return rooms.room(Caller, "c")


async def told(caller: RoomUnderTest[Caller], what: str) -> Any:
    answer = await caller.request(path=f"/{what}")
    assert answer.status == 200, answer.text
    return answer.json()


@pytest.mark.parity("parties[x].get(id).fetch")
async def test_fetch(caller: RoomUnderTest[Caller]) -> None:
    """The path begins with a slash; the id may be any text."""
    assert await told(caller, "fetch") == [{"path": "/x", "id": "a b/c", "q": "1"}, "ValueError"]


@pytest.mark.parity("parties[x].get(id).socket")
async def test_socket(caller: RoomUnderTest[Caller]) -> None:
    """An ordinary connection for the other room, messages in order for this one."""
    assert await told(caller, "socket") == ["hello /below", "text", [98, 121, 116, 101, 115]]


@pytest.mark.parity("RPC", "getServerByName")
async def test_rpc(caller: RoomUnderTest[Caller]) -> None:
    """A public method of a room that has started; arguments and results are copies."""
    assert await told(caller, "call") == [5, [1], [1, 0]]


@pytest.mark.parity("stub errors")
async def test_stub_errors(caller: RoomUnderTest[Caller]) -> None:
    """A class for each, and the stub works on."""
    names = ["KeyError", "RemoteError", "RoomUnavailable", "DeadlockError"]
    assert await told(caller, "errors") == [*names, 2]


@pytest.mark.parity("E-order")
async def test_e_order(caller: RoomUnderTest[Caller]) -> None:
    """Calls that are made at once arrive in their order."""
    assert await told(caller, "ordered") == list(range(20))
