"""The room classes that the system tests deploy."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator

import parlour
from parlour import AlarmInfo, Connection, Request, Response, Room, ServerSentEvent


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

    def get_connection_tags(self, connection: Connection, request: Request) -> list[str]:
        return [request.query.get("name", "nobody")]

    def on_connect(self, connection: Connection, request: Request) -> None:
        connection.set_state({"name": request.query.get("name", "")})

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        await super().on_message(connection, message)
        name = connection.state["name"]
        assert self.connections(tag=name) == [connection]
        connection.send(f"{name} of {len(self.connections())}")


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


class Shared(Room):
    """Many in one process; one that is told to dies with all of them."""

    rooms_per_actor = 25
    hibernate_after = 3600.0

    async def on_start(self) -> None:
        self.count = await self.storage.get("count", 0)

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        if message == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if message == "raise":
            raise RuntimeError("only this room fails")
        self.count += 1
        self.storage.put("count", self.count)
        connection.send(f"{self.count} {os.getpid()}")


class Stopper(Room):
    """Stores why it had to stop, and how often it started."""

    hibernate_after = 0.3

    async def on_start(self) -> None:
        self.starts = await self.storage.get("starts", 0) + 1
        self.storage.put("starts", self.starts)

    async def on_stop(self, reason: str) -> None:
        stops = await self.storage.get("stops", [])
        self.storage.put("stops", [*stops, reason])
        if self.id.startswith("raises"):
            raise RuntimeError("secret of on_stop")

    async def on_request(self, request: Request) -> dict[str, object]:
        return {"starts": self.starts, "stops": await self.storage.get("stops", [])}


class Aging(Stopper):
    """Leaves when it is old, busy or not."""

    hibernate_after = 3600.0
    max_lifetime = 0.5


class Archive(Room):
    """Stores as much in one value as one may have, with the memory that a room has by default."""

    async def on_start(self) -> None:
        self.starts = await self.storage.get("starts", 0) + 1
        self.storage.put("starts", self.starts)

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        if message == "store":
            self.storage.put_large("film", os.urandom(64 * 1024 * 1024))
            await self.storage.sync()
        film = await self.storage.get_large("film")
        connection.send(f"{len(film)} {self.starts}")


class Hungry(Stopper):
    """Takes more memory than it may."""

    hibernate_after = 3600.0
    memory_limit = 32 * 1024 * 1024

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.hoard = bytearray(64 * 1024 * 1024)
        connection.send("full")


class Keeper(Stopper):
    """Stays as long as somebody is there."""

    hibernate = False


class Slow(Room):
    """Takes longer than it may."""

    handler_timeout = 0.3

    async def on_connect(self, connection: Connection, request: Request) -> None:
        if "slow" in request.query:
            await asyncio.Event().wait()

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        if message == "slow":
            await asyncio.Event().wait()
        connection.send(message)

    async def on_request(self, request: Request) -> str:
        await asyncio.Event().wait()
        return "never"


class Interleaved(Room):
    """One message waits for another, which an exclusive room could never handle meanwhile."""

    interleave = True

    def on_start(self) -> None:
        self.opened = asyncio.Event()
        self.order: list[str] = []

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        if message == "wait":
            await self.opened.wait()
            connection.send("waited")
        elif message == "open":
            self.opened.set()
        else:
            # With storage alone, handlers do not take turns.
            count = await self.storage.get("count", 0)
            await self.storage.get(f"absent {message!r}")
            self.storage.put("count", count + 1)
            connection.send(str(count + 1))


class Offloader(Room):
    """Leaves hard work to a Ray task."""

    async def on_request(self, request: Request) -> dict[str, object]:
        pid = await self.offload(os.getpid)
        try:
            await self.offload(divide, 1, 0)
        except ZeroDivisionError as error:
            return {"pid": os.getpid(), "task": pid, "error": str(error)}
        return {}


def divide(a: int, b: int) -> float:
    """For a task that raises."""
    return a / b


class Pinged(Counter):
    """Pings are answered for it."""

    hibernate_after = 0.3

    async def on_start(self) -> None:
        await super().on_start()
        self.set_auto_response("ping", "pong")


class Alarmed(Room):
    """Does what its clients say about alarms, and tells them what fires. Sleeps soon."""

    hibernate_after = 0.3

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        match json.loads(message):
            case ["set alarm", after_s]:
                self.storage.set_alarm(time.time() + after_s)
            case ["schedule", name, after_s]:
                self.schedule(name, at=time.time() + after_s)
            case ["cron", name, expression]:
                self.schedule(name, cron=expression)
            case ["unschedule", name]:
                connection.send(json.dumps(self.unschedule(name)))
            case ["schedules"]:
                crons = {name: one.cron for name, one in self.schedules().items()}
                connection.send(json.dumps(crons))
            case ["store", key, value]:
                self.storage.put(key, value)
                connection.send(json.dumps("stored"))

    async def on_alarm(self, info: AlarmInfo) -> None:
        assert time.time() >= info.scheduled_at.timestamp(), "early"
        set_now = await self.storage.get_alarm() is not None
        self.broadcast(json.dumps([self.id, info.name, info.retry_count, set_now]))
        if await self.storage.get("failures left", 0) > info.retry_count:
            raise RuntimeError("as told")
        if await self.storage.get("set anew", False):
            self.storage.delete("set anew")
            self.storage.set_alarm(time.time() + 0.5)
        if await self.storage.get("die", False):
            self.storage.delete("die")
            await self.storage.sync()
            os.kill(os.getpid(), signal.SIGKILL)


class Unalarmed(Room):
    """Sets alarms and has no hook for them."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.storage.set_alarm(time.time() + float(message))
        connection.send("set")


class Roster(Room):
    """Says back what it hears, with how many it has heard and how often it has started."""

    hibernate_after = 0.25

    async def on_start(self) -> None:
        self.heard = await self.storage.get("heard", 0)
        self.starts = await self.storage.get("starts", 0) + 1
        self.storage.put("starts", self.starts)

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.heard += 1
        self.storage.put("heard", self.heard)
        connection.send(f"{message!s} {self.heard} {self.starts}")


class CrowdedRoster(Roster):
    """The same, with others in its process."""

    rooms_per_actor = 25


class Streamer(Room):
    """Streams its messages to whoever asks, and reads uploads of any length; hibernates soon."""

    hibernate_after = 0.3
    body_limit = 1000
    stream_bodies = True
    cors = True

    def on_start(self) -> None:
        self.said: asyncio.Queue[str] = asyncio.Queue()

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.storage.put("last", message)
        self.said.put_nowait(str(message))

    async def on_request(self, request: Request) -> Response | str:
        if request.method == "GET":
            return Response.events(self.events())
        if "form" in request.query:
            fields = await request.form()
            response = Response.json({name: str(value) for name, value in fields.items()})
            response.set_cookie("seen", request.cookies.get("seen", "never"))
            return response
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if "die" in request.query:
                os.kill(os.getpid(), signal.SIGKILL)
        return f"{size} {request.streamed}"

    async def events(self) -> AsyncIterator[ServerSentEvent | str]:
        yield f"{os.getpid()}"
        while (said := await self.said.get()) != "end":
            yield ServerSentEvent(said, event="said")


class Caller(Room):
    """Calls rooms, from its hooks and from Ray tasks."""

    def pid(self) -> int:
        return os.getpid()

    async def tell(self, room: str, method: str, *args: object) -> object:
        return await getattr(self.parties.called.get(room), method)(*args)

    async def chain(self, *rooms: str) -> list[str]:
        if not rooms:
            return [self.id]
        return [self.id, *await self.parties.caller.get(rooms[0]).chain(*rooms[1:])]

    async def from_task(self, party: str, room: str, method: str) -> object:
        return await self.offload(call_from_task, party, room, method)


class Called(Counter):
    """Is called."""

    def pid(self) -> int:
        return os.getpid()

    def say(self, message: str) -> int:
        self.broadcast(message)
        return len(self.connections())

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def call_from_task(party: str, room: str, method: str) -> object:
    """What a Ray task does to call a room."""

    async def call() -> object:
        async with parlour.connect() as rooms:
            return await getattr(rooms.parties[party].get(room), method)()

    return asyncio.run(call())
