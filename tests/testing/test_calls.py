"""Rooms that call rooms, in an application's tests."""

from __future__ import annotations

from typing import Any

from parlour.testing import Rooms

from parlour import Connection, DeadlockError, Room


class Till(Room):
    """Is called."""

    async def take(self, amount: int) -> int:
        total: int = await self.storage.get("total", 0) + amount
        self.storage.put("total", total)
        return total

    async def call_back(self, room: str) -> Any:
        return await self.parties.counter.get(room).poke()


class Counter(Room):
    """Calls."""

    def poke(self) -> str:
        return "poked"

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        till = self.parties.till.get("main")
        if message == "back":
            try:
                await till.call_back(self.id)
            except DeadlockError as error:
                connection.send(str(error).partition(":")[0])
        else:
            connection.send(str(await till.take(int(message))))


async def test_rooms_call_rooms(rooms: Rooms) -> None:
    """Of other classes, which need only be known to the test."""
    rooms.room(Till, "main")
    counter = await rooms.room(Counter, "one").connect()
    await counter.send("2", "3", "back")
    assert await counter.received() == ["2", "5", "counter/one -> till/main -> counter/one"]
