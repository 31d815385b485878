"""The room classes that the system tests deploy."""

from __future__ import annotations

import asyncio
import os
import signal

from parlour import Connection, Request, Room


class Echo(Room):
    """Says back what it hears; tells its process to whoever asks."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        connection.send(message)

    def on_request(self, request: Request) -> dict[str, object]:
        return {
            "id": self.id,
            "party": self.name,
            "pid": os.getpid(),
            "connections": [connection.id for connection in self.connections()],
            "path": request.path,
            "query": dict(request.query),
            "body": request.text(),
        }


class Fanout(Room):
    """Says to everybody what it hears."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.broadcast(message)


class Others(Room):
    """Says to everybody else what it hears."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.broadcast(message, without=[connection.id])


class Counter(Room):
    """Counts messages in storage and in memory, and starts in its process."""

    hibernate_after = 3600.0

    async def on_start(self) -> None:
        self.stored = await self.storage.get("count", 0)
        self.since_start = 0

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.stored += 1
        self.since_start += 1
        self.storage.put("count", self.stored)
        connection.send(f"{self.stored} {self.since_start}")

    def on_request(self, request: Request) -> dict[str, int]:
        return {"pid": os.getpid(), "count": self.stored}


class Sleeper(Counter):
    """A counter that hibernates soon and keeps something with each connection."""

    hibernate_after = 0.3

    def on_connect(self, connection: Connection, request: Request) -> None:
        connection.set_state({"name": request.query.get("name", "")})

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        await super().on_message(connection, message)
        connection.send(f"{connection.state['name']} of {len(self.connections())}")


class Greeter(Room):
    """Greets before the client is let in; tells the others who went."""

    async def on_connect(self, connection: Connection, request: Request) -> None:
        connection.send(f"hello {connection.id}")
        await asyncio.sleep(0)
        connection.send(b"\x00\x01")

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.broadcast(f"{connection.id} {code} {reason} {was_clean} {len(self.connections())}")


class Faulty(Room):
    """Raises where it is told to."""

    def on_start(self) -> None:
        if self.id.startswith("unstartable"):
            raise RuntimeError("secret of on_start")

    def on_connect(self, connection: Connection, request: Request) -> None:
        if "refuse" in request.query:
            raise RuntimeError("secret of on_connect")

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        if message == "raise":
            raise RuntimeError("secret of on_message")
        if message == "close":
            connection.close(4001, "as you wish")
        elif message == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            connection.send("still here")

    def on_request(self, request: Request) -> str:
        if request.method == "POST":
            raise RuntimeError("secret of on_request")
        return "fine"
