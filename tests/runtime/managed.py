"""A hibernation manager between gateways that ask it and room actors that follow a script."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, Self

from parlour.actors import messages
from parlour.actors.frames import Kind, pack
from parlour.actors.link import Link, connect
from parlour.actors.messages import Hello, Placed, Report, RoomKey, RoomReport, Wake
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.actors.room_actor_settings import RoomActorSettings
from parlour.runtime.actor_record import ActorState
from parlour.runtime.code import Code
from parlour.runtime.deployment import Deployment
from parlour.runtime.manager import HibernationManager
from parlour.runtime.settings import ManagerSettings

from ..actors.linked import Inbox
from ..actors.staging import until

NO_SUCH_PID = 2**22 + 1  # above what the system gives out: nothing is watched


class Chat(Room):
    """Hibernates after a minute."""

    hibernate_after = 60.0


class Draw(Chat):
    """Asks for a GPU."""

    num_gpus = 1


class ScriptedActor:
    """A room actor: reports what it is told to, and keeps the orders that it gets."""

    def __init__(self, starter: Starter, settings: RoomActorSettings, code: bytes) -> None:
        self.id = settings.id
        self.version = settings.version
        self.resources = settings.resources
        self.code = code
        self.inbox = Inbox()
        self.link: Link | None = None
        self._starter = starter
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def address(self) -> str:
        return f"/run/{self.id}.sock"

    @property
    def told_to_end(self) -> bool:
        return any(frame.kind is Kind.EXIT for frame in self.inbox.left())

    async def introduce(self) -> None:
        """It has started."""
        hello = Hello(
            "room actor", self.id, NO_SUCH_PID, self.address, self.version, self.resources
        )
        self.link = await connect(
            self._starter.manager_address, hello, self.inbox.on_frame, self.inbox.on_lost
        )

    def report(self, *rooms: RoomReport) -> None:
        """Say which rooms it has."""
        assert self.link is not None
        payload = messages.encode(Report(list(rooms), 1, ""))
        self.link.write(pack(Kind.REPORT, payload=payload))

    def end(self, problem: str = "") -> None:
        """Its process ends."""
        if self.link is not None:
            self.link.abort()
        if not self._ended.done():
            self._ended.set_result(problem)

    # RunningActor

    async def ended(self) -> str:
        return await asyncio.shield(self._ended)

    async def placed(self) -> None:
        if not self._ended.done():
            place = asyncio.ensure_future(self._starter.has_places.wait())
            self._ended.add_done_callback(lambda _: place.cancel())
            await asyncio.wait([place])
            if not place.cancelled() and not self._starter.joins:
                await self.introduce()

    async def joined(self) -> str:
        return self._starter.joins

    def kill(self) -> None:
        self.end("killed")


class Starter:
    """Starts scripted room actors.

    Attributes:
        problem: Why none can start; nothing while it is empty.
        hangs: Whether they never come to introduce themselves.
        killed: Those that were to be killed.
        has_places: Set once Ray places those with resources.
        joins: The manager of another node that those join; nothing while it is empty.
    """

    def __init__(self, manager_address: str) -> None:
        self.manager_address = manager_address
        self.actors: list[ScriptedActor] = []
        self.problem = ""
        self.hangs = False
        self.killed: list[str] = []
        self.has_places = asyncio.Event()
        self.joins = ""

    async def start(self, settings: RoomActorSettings, deployed: Deployment) -> ScriptedActor:
        if self.problem == "nothing starts":
            raise RuntimeError(self.problem)
        actor = ScriptedActor(self, settings, deployed.code.data)
        self.actors.append(actor)
        if self.problem:
            actor.end(self.problem)
        elif not self.hangs and not settings.resources:
            await actor.introduce()
        return actor

    def kill(self, actor_id: str) -> None:
        self.killed.append(actor_id)
        for actor in self.actors:
            if actor.id == actor_id:
                actor.end()

    def at(self, address: str) -> ScriptedActor:
        """The one that listens there."""
        return next(actor for actor in self.actors if actor.address == address)


class Stage:
    """A manager on a folder, and gateways that ask it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = ManagerSettings(
            folder=str(folder), redis_url=f"unix://{folder}/no-server.sock", node_id="n", **settings
        )
        self.starter = Starter(self.settings.address)
        self.manager = HibernationManager(self.settings, self.starter)
        self._links: list[Link] = []

    async def deploy(self, version: int = 1) -> None:
        parties = {"chat": options_of(Chat), "draw": options_of(Draw)}
        code = Code(parties, b"code %d" % version)
        new = Deployment(version, code)
        await self.manager.try_out(new)
        self.manager.use(new, within_s=0.0)

    async def gateway(self) -> Gateway:
        inbox = Inbox()
        link = await connect(
            self.settings.address, Hello("gateway", "g", 1), inbox.on_frame, inbox.on_lost
        )
        self._links.append(link)
        return Gateway(link, inbox)

    async def standbys(self, count: int) -> None:
        await until(lambda: self.manager.pool.count(ActorState.STANDBY) == count)

    async def __aenter__(self) -> Self:
        await self.manager.start(None)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        for actor in self.starter.actors:
            actor.end()
        await self.manager.stop()
        for link in self._links:
            link.abort()


class Gateway:
    """Asks where rooms are."""

    def __init__(self, link: Link, inbox: Inbox) -> None:
        self.link = link
        self.inbox = inbox
        self._numbers = itertools.count(1)

    def ask(self, name: str, party: str = "chat") -> int:
        number = next(self._numbers)
        payload = messages.encode(Wake(RoomKey(party, name)))
        self.link.write(pack(Kind.WAKE, number=number, payload=payload))
        return number

    async def answer(self, number: int) -> Placed:
        frame = await self.inbox.take()
        assert (frame.kind, frame.number) == (Kind.PLACED, number)
        return messages.decode(frame.payload, Placed)

    async def place(self, name: str) -> str:
        placed = await self.answer(self.ask(name))
        assert placed.error == ""
        return placed.address


def live(name: str, state: str = "live", last_event_s: float = 1e12) -> RoomReport:
    """A room, as its room actor reports it."""
    return RoomReport(RoomKey("chat", name), state, last_event_s, 0, 1e12)
