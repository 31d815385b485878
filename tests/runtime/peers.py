"""What a gateway talks to: a hibernation manager and room actors, as real sockets with a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from parlour.actors import messages
from parlour.actors.counts import GatewayReport
from parlour.actors.frames import Kind, pack
from parlour.actors.link import Link, listen
from parlour.actors.messages import Attach, Placed, Refused, RoomKey, Wake

from ..actors.linked import TIMEOUT_S, Frame, Inbox


class Manager:
    """Answers where rooms are.

    Attributes:
        address: Where it listens.
        place: The address that it answers with.
        error: Why it has none to give; answered instead, unless empty.
        silent: Whether it answers nothing at all.
        asked: The rooms it was asked for.
    """

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "manager.sock")
        self.place = ""
        self.error = ""
        self.silent = False
        self.asked: list[RoomKey] = []
        self.links: list[Link] = []
        self._asked_again = asyncio.Event()
        self._reports: asyncio.Queue[GatewayReport] = asyncio.Queue()
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        self._server = await listen(
            self.address, self._on_frame, self._on_lost, on_hello=self._on_hello
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
        if self._server is not None:
            self._server.close()
        for link in list(self.links):
            link.abort()

    def _on_hello(self, link: Link, _: messages.Hello) -> None:
        self.links.append(link)

    def _on_lost(self, link: Link) -> None:
        self.links.remove(link)

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.COUNTS:
            self._reports.put_nowait(messages.decode(payload, GatewayReport))
            return
        assert kind == Kind.WAKE
        self.asked.append(messages.decode(payload, Wake).key)
        self._asked_again.set()
        if not self.silent:
            placed = Placed(error=self.error) if self.error else Placed(self.place)
            link.write(pack(Kind.PLACED, number=number, payload=messages.encode(placed)))


class RoomActor:
    """Keeps what gateways send and says what it is told to.

    Attributes:
        refusal: What it answers to whoever attaches; nothing while it is None.
    """

    def __init__(self, folder: Path, name: str = "a") -> None:
        self.address = str(folder / f"room-{name}.sock")
        self.refusal: Refused | None = None
        self.inbox = Inbox()
        self.links: list[Link] = []
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        self._server = await listen(
            self.address, self._on_frame, self._on_lost, on_hello=self._on_hello
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
        if self._server is not None:
            self._server.close()
        self.die()

    def _on_hello(self, link: Link, _: messages.Hello) -> None:
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
