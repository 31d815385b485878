"""What a gateway talks to: a hibernation manager and room actors, as real sockets with a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from parlour.actors import messages
from parlour.actors.counts import GatewayReport
from parlour.actors.frames import Kind, pack
from parlour.actors.link import Link, OnFrame, OnLost, listen, listen_to_nodes
from parlour.actors.messages import Attach, Hello, Placed, Refused, RoomKey, Wake
from parlour.actors.network import Address, Network
from parlour.actors.watch import Seen, SeenBatch

from ..actors.linked import TIMEOUT_S, Frame, Inbox


class Manager:
    """Answers where rooms are.

    Attributes:
        address: Where it listens.
        place: The address that it answers with.
        error: Why it has none to give; answered instead, unless empty.
        elsewhere: The manager that it sends to; answered instead, unless empty.
        lacking: Whether that is resources that no node has free.
        silent: Whether it answers nothing at all.
        asked: The rooms it was asked for.
        seen: What it was shown of requests.
        only_here: Whether each question was not to be sent elsewhere.
    """

    def __init__(self, folder: Path, network: Network | None = None) -> None:
        """`network` is the node that it is on, for those of other nodes to reach it."""
        self.address = str(folder / "manager.sock")
        self.place = ""
        self.elsewhere = ""
        self.error = ""
        self.lacking = False
        self.silent = False
        self.asked: list[RoomKey] = []
        self.only_here: list[bool] = []
        self.links: list[Link] = []
        self.seen: list[Seen] = []
        self._network = network
        self._asked_again = asyncio.Event()
        self._servers: list[asyncio.AbstractServer] = []
        self._reports: asyncio.Queue[GatewayReport] = asyncio.Queue()

    async def start(self) -> None:
        calls = (self._on_frame, self._on_lost)
        self.address = await _start(
            self.address, self._network, *calls, self._on_hello, self._servers
        )

    async def was_asked(self, times: int) -> None:
        """Wait until it was asked so many times in all."""
        async with asyncio.timeout(TIMEOUT_S):
            while len(self.asked) < times:
                self._asked_again.clear()
                await self._asked_again.wait()

    async def report_of(self, condition: Callable[[GatewayReport], bool]) -> GatewayReport:
        """The first report of a gateway, from now on, that says what is waited for."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                report = await self._reports.get()
                if condition(report):
                    return report

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for link in list(self.links):
            link.abort()

    def _on_hello(self, link: Link, _: Hello) -> None:
        self.links.append(link)

    def _on_lost(self, link: Link) -> None:
        self.links.remove(link)

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.SEEN:
            self.seen += messages.decode(payload, SeenBatch).seen
            return
        if kind == Kind.COUNTS:
            self._reports.put_nowait(messages.decode(payload, GatewayReport))
            return
        assert kind == Kind.WAKE
        wake = messages.decode(payload, Wake)
        self.asked.append(wake.key)
        self.only_here.append(wake.only_here)
        self._asked_again.set()
        if not self.silent:
            placed = Placed(self.place)
            if self.error or self.elsewhere:
                placed = Placed(error=self.error, elsewhere=self.elsewhere, lacking=self.lacking)
            link.write(pack(Kind.PLACED, number=number, payload=messages.encode(placed)))


class RoomActor:
    """Keeps what gateways send and says what it is told to.

    Attributes:
        refusal: What it answers to whoever attaches; nothing while it is None.
    """

    def __init__(self, folder: Path, name: str = "a", network: Network | None = None) -> None:
        """`network` is the node that it is on, for those of other nodes to reach it."""
        self.address = str(folder / f"room-{name}.sock")
        self.refusal: Refused | None = None
        self.inbox = Inbox()
        self.links: list[Link] = []
        self._network = network
        self._servers: list[asyncio.AbstractServer] = []

    async def start(self) -> None:
        calls = (self._on_frame, self._on_lost)
        self.address = await _start(
            self.address, self._network, *calls, self._on_hello, self._servers
        )

    async def attached(self) -> tuple[int, Attach]:
        """The next attachment: its channel, and what the gateway brought."""
        frame = await self.inbox.take()
        assert frame.kind is Kind.ATTACH
        return frame.channel, messages.decode(frame.payload, Attach)

    async def event(self) -> Frame:
        """The next event."""
        frame = await self.inbox.take()
        assert frame.kind is not Kind.ATTACH
        return frame

    async def events(self, count: int) -> list[bytes]:
        """The payloads of the next events."""
        return [(await self.event()).payload for _ in range(count)]

    def say(
        self, kind: Kind, channel: int, number: int = 0, sequence: int = 0, payload: bytes = b""
    ) -> None:
        """Say something to the gateway that has attached last."""
        self.links[-1].write(pack(kind, channel, number, sequence, payload))

    def die(self) -> None:
        """Its process ends: every link is cut."""
        for link in list(self.links):
            link.abort()

    def close(self) -> None:
        for server in self._servers:
            server.close()
        self.die()

    def _on_hello(self, link: Link, _: Hello) -> None:
        self.links.append(link)

    def _on_lost(self, link: Link) -> None:
        self.links.remove(link)

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        self.inbox.on_frame(link, kind, channel, number, sequence, payload)
        if kind == Kind.ATTACH and self.refusal is not None:
            payload = messages.encode(self.refusal)
            link.write(pack(Kind.REFUSED, channel, payload=payload))


async def _start(
    path: str,
    network: Network | None,
    on_frame: OnFrame,
    on_lost: OnLost,
    on_hello: Callable[[Link, Hello], None],
    servers: list[asyncio.AbstractServer],
) -> str:
    """Listen on a Unix socket, and for other nodes if there are any; returns the address."""
    servers.append(await listen(path, on_frame, on_lost, on_hello=on_hello))
    if network is None:
        return path
    server, port = await listen_to_nodes(network, on_frame, on_lost, on_hello=on_hello)
    servers.append(server)
    return str(Address(path, network.host, port))
