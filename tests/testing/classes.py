"""Room classes to be tested with."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from parlour import AlarmInfo, Connection, Lobby, Request, Response, Room


class Tally(Room):
    """Counts in storage and in memory, tells all, and notes what befalls it."""

    notes: list[Any]

    async def on_start(self) -> None:
        self.count = await self.storage.get("count", 0)
        self.since_start = 0

    def on_connect(self, connection: Connection, request: Request) -> None:
        connection.send(f"hello {request.url} {request.query.get('as', '')}")

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.count += 1
        self.since_start += 1
        self.storage.put("count", self.count)
        self.broadcast(f"{self.count} {self.since_start}")

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.broadcast(f"{connection.id} {code} {reason} {was_clean}")

    def on_request(self, request: Request) -> Response:
        return Response.json(
            {"method": request.method, "path": request.path, "body": request.text()},
            headers={"x-count": str(self.count)},
        )

    async def on_stop(self, reason: str) -> None:
        self.storage.put("stopped for", reason)


class Echo(Room):
    """Says back what it hears."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        connection.send(message)


class Ticker(Room):
    """Alarms: every minute, and once when told so; each says when it was."""

    hibernate_after = 10

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        if message == "every minute":
            self.schedule("minute", cron="* * * * *")
        else:
            self.storage.set_alarm(time.time() + float(message))

    async def on_alarm(self, info: AlarmInfo) -> None:
        fired = await self.storage.get("fired", [])
        assert time.time() >= info.scheduled_at.timestamp()
        self.storage.put("fired", [*fired, [info.name, info.scheduled_at.isoformat()]])


class Patient(Room):
    """Takes its time to answer."""

    handler_timeout = 30

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        for step in range(3):
            await asyncio.sleep(float(message))
            connection.send(f"step {step}")

    async def on_request(self, request: Request) -> str:
        await asyncio.sleep(3600)
        return "never"


class Keeper(Room):
    """Stays while somebody is there."""

    hibernate = False


class Young(Tally):
    """Starts anew every hour."""

    hibernate_after = 10_000
    max_lifetime = 3600


class Guarded(Room):
    """Lets in who knows the key, and answers for no room."""

    @staticmethod
    def on_before_connect(request: Request, lobby: Lobby) -> Response | None:
        known = request.query.get("key") == lobby.env["KEY"]
        return None if known else Response("you do not know the key", 403)

    @staticmethod
    async def on_fetch(request: Request, lobby: Lobby) -> str:
        return f"{request.path} {lobby.env['KEY']}"

    def on_connect(self, connection: Connection, request: Request) -> None:
        connection.send(f"the key is {self.env['KEY']}")
