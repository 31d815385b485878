"""A live room over storage in memory, and gateways that are attached to it by real links."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parlour.actors import messages
from parlour.actors.frames import ASIDE, Kind, pack, pack_parts, unpack_parts
from parlour.actors.link import Link, connect, listen
from parlour.actors.live_room import LiveRoom
from parlour.actors.messages import (
    Attach,
    Closed,
    ConnectionRecord,
    Hello,
    RequestHead,
    ResponseHead,
    RoomKey,
)
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.actors.summoner import Summoner
from parlour.actors.surroundings import Surroundings
from parlour.actors.watch import Watch
from parlour.storage import Claim, MemoryBackend, StorageError, decode
from parlour.storage.backend import Batch, Committed

from .linked import TIMEOUT_S, Frame, Inbox

KEY = RoomKey("chat", "lobby")


class Diary(Room):
    """Writes down what happens to it; each subclass has a diary of its own, for all its rooms."""

    diary: list[Any]

    def __init_subclass__(cls) -> None:
        cls.diary = []

    def on_start(self) -> Any:
        self.diary.append("start")

    def on_connect(self, connection: Any, request: Any) -> Any:
        self.diary.append(("connect", connection.id))

    def on_message(self, connection: Any, message: Any) -> Any:
        self.diary.append((connection.id, message))

    def on_close(self, connection: Any, code: int, reason: str, was_clean: bool) -> Any:
        self.diary.append(("close", connection.id, code, was_clean))

    def on_stop(self, reason: str) -> Any:
        self.diary.append(("stop", reason))


class Counter(Diary):
    """Counts messages in storage and says how many there were; its starts are not written down."""

    async def on_start(self) -> None:
        self.count = await self.storage.get("count", 0)

    def on_message(self, connection: Any, message: Any) -> Any:
        super().on_message(connection, message)
        self.count += 1
        self.storage.put("count", self.count)
        connection.send(str(self.count))


class SlowBackend(MemoryBackend):
    """Storage whose claims and flushes a test holds back, or has fail, and whose owners die."""

    def __init__(self) -> None:
        super().__init__()
        self.dead: set[str] = set()
        self.problem: StorageError | None = None
        self.asked = asyncio.Event()
        self.may_claim = asyncio.Event()
        self.may_claim.set()
        self._may_commit = asyncio.Event()
        self._may_commit.set()

    def hold(self) -> None:
        """No flush is committed from now on."""
        self.asked.clear()
        self._may_commit.clear()

    def go_on(self) -> None:
        """Flushes are committed, those that wait too."""
        self._may_commit.set()

    async def claim(
        self, space: str, *, owner: str, address: str, takeover_epoch: int | None = None
    ) -> Claim:
        await self.may_claim.wait()
        return await super().claim(
            space, owner=owner, address=address, takeover_epoch=takeover_epoch
        )

    async def commit(self, batch: Batch) -> Committed:
        self.asked.set()
        await self._may_commit.wait()
        if self.problem is not None:
            raise self.problem
        return await super().commit(batch)

    async def lease_alive(self, owner: str) -> bool:
        return owner not in self.dead and await super().lease_alive(owner)


class Gateway:
    """A gateway's end: sends events as a gateway does, and keeps what the room says."""

    def __init__(self, link: Link, inbox: Inbox, first_sequence: int) -> None:
        self.link = link
        self.inbox = inbox
        self.channel = 0
        self._channels = itertools.count(1)
        self._sequences = itertools.count(first_sequence)

    def attach(self, *connections: ConnectionRecord, careful_until: int = 0) -> None:
        """Ask to be served, with the sockets that are there already."""
        self.channel = next(self._channels)
        payload = messages.encode(Attach(KEY, list(connections), careful_until))
        self.link.write(pack(Kind.ATTACH, self.channel, payload=payload))

    def send(self, kind: Kind, number: int, payload: bytes, sequence: int | None = None) -> int:
        """An event, new or (with its sequence) once more; returns its sequence."""
        if sequence is None:
            sequence = next(self._sequences)
        self.link.write(pack(kind, self.channel, number, sequence, payload))
        return sequence

    def connect(self, number: int, connection_id: str = "", sequence: int | None = None) -> int:
        payload = messages.encode(record(number, connection_id))
        return self.send(Kind.CONNECT, number, payload, sequence)

    def text(self, number: int, text: str, sequence: int | None = None) -> int:
        return self.send(Kind.TEXT, number, text.encode(), sequence)

    def close(self, number: int, code: int = 1000) -> int:
        return self.send(Kind.CLOSED, number, messages.encode(Closed(code, "bye", True)))

    def aside(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        """Something that is no event."""
        self.link.write(pack(kind, self.channel | ASIDE, number, 0, payload))

    def alarm(self) -> int:
        return self.send(Kind.ALARM, 0, b"")

    def request(
        self, number: int, method: str = "GET", body: bytes = b"", sequence: int | None = None
    ) -> int:
        head = RequestHead(method, "http://h/party/lobby/x?q=1", "/x", [("Host", "h")])
        payload = pack_parts(messages.encode(head), body)
        return self.send(Kind.REQUEST, number, payload, sequence)

    async def until(self, kind: Kind) -> list[Frame]:
        """The frames up to the first of a kind, all of this gateway's newest channel."""
        frames = await self.inbox.take_until(kind)
        assert {frame.channel for frame in frames} == {self.channel}
        return frames

    async def done(self, sequence: int) -> list[Frame]:
        """The frames up to the one that says that an event is done."""
        taken: list[Frame] = []
        while not taken or taken[-1].sequence < sequence:
            taken += await self.until(Kind.DONE)
        return taken

    async def pieces(self) -> tuple[list[bytes], bytes]:
        """The pieces of a streamed answer, and what is said of its end."""
        frames = await self.inbox.take_until(Kind.END)
        pieces = [frame.payload for frame in frames if frame.kind is Kind.PIECE]
        return pieces, frames[-1].payload

    async def answer(self) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of the next response."""
        head_data, body = unpack_parts((await self.until(Kind.RESPONSE))[-1].payload)
        head = messages.decode(head_data, ResponseHead)
        return head.status, body, dict(head.headers)


class Stage:
    """Runs one room at a time, and has gateways attach to it."""

    def __init__(self, folder: Path) -> None:
        self.backend = SlowBackend()
        self.now_s = 100.0
        self.wall_s = 1_900_000_000.0
        self.watch = Watch()
        self.summoner: Summoner | None = None
        self.room: LiveRoom
        self.absent: list[LiveRoom] = []
        self._folder = folder
        self._server: asyncio.AbstractServer | None = None
        self._links: list[Link] = []
        self._rooms: list[LiveRoom] = []

    def start(self, room_class: type[Room], owner: str = "r1") -> LiveRoom:
        """Start a room; gateways that attach from now on attach to it."""
        around = Surroundings(
            self.backend,
            owner,
            f"/run/{owner}.sock",
            lambda: self.now_s,
            self.absent.append,
            lambda: self.wall_s,
            self.watch,
            summoner=self.summoner,
        )
        self.room = LiveRoom(KEY, room_class, options_of(room_class), around)
        self._rooms.append(self.room)
        self.room.start()
        return self.room

    async def listen(self) -> str:
        """Where gateways reach the room."""
        address = str(self._folder / "rooms.sock")
        if self._server is None:
            self._server = await listen(address, self._on_frame, self._on_lost)
        return address

    async def gateway(
        self, gateway_id: str = "g1", first_sequence: int = 1, summoned_at: str = ""
    ) -> Gateway:
        """A gateway with a link to the room, not attached yet."""
        address = await self.listen()
        inbox = Inbox()
        hello = Hello("gateway", gateway_id, 1, summoned_at)
        link = await connect(address, hello, inbox.on_frame, inbox.on_lost)
        self._links.append(link)
        return Gateway(link, inbox, first_sequence)

    async def attached(self, *numbers: int, gateway_id: str = "g1") -> Gateway:
        """A gateway that is attached, with connections that the room has let in."""
        gateway = await self.gateway(gateway_id)
        gateway.attach()
        await gateway.until(Kind.READY)
        for number in numbers:
            await gateway.done(gateway.connect(number))
        return gateway

    async def ended(self, room: LiveRoom | None = None) -> None:
        """Wait until a room has left."""
        async with asyncio.timeout(TIMEOUT_S):
            await (room or self.room).ended()

    async def stored(self, key: str) -> object:
        """What is durable under a key of a room that has left."""
        claim = await self.backend.claim(KEY.space, owner="test", address="")
        await self.backend.release(KEY.space, owner=claim.owner, epoch=claim.epoch)
        data = (claim.values or {}).get(key)
        return None if data is None else decode(data)

    async def close(self) -> None:
        self.backend.problem = None
        self.backend.may_claim.set()
        self.backend.go_on()
        for link in self._links:
            link.abort()
        if self._server is not None:
            self._server.close()
        for room in self._rooms:
            room.break_off("the test is over")
            await self.ended(room)

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.ATTACH:
            self.room.attach(link, channel, messages.decode(payload, Attach))
        elif channel & ASIDE:
            self.room.hear(link, channel ^ ASIDE, kind, number, payload)
        else:
            self.room.deliver(link, channel, kind, number, sequence, payload)

    def _on_lost(self, link: Link) -> None:
        self.room.detach(link)


def record(
    number: int, connection_id: str = "", state: bytes = b"", place: int = 0
) -> ConnectionRecord:
    """A connection as the gateway keeps it."""
    name = connection_id or f"c{number}"
    uri = f"ws://h/party/lobby?_pk={name}"
    return ConnectionRecord(number, name, uri, [("Host", "h")], [], state, place)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110  # turns of the loop, not time
            await asyncio.sleep(0)
