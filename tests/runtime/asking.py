"""Rooms behind a port that answer HTTP as a test tells them to, and requests to them as bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from parlour.actors import messages
from parlour.actors.frames import Kind, unpack_parts
from parlour.actors.messages import Hello, RequestHead, ResponseHead
from parlour.actors.options import RoomOptions, options_of
from parlour.actors.room import Room
from parlour.runtime.addresses import RoomAddress, room_address
from parlour.runtime.edge_client import EdgeClient
from parlour.runtime.exchange import Exchange
from parlour.runtime.http_front import HttpFront
from parlour.runtime.settings import GatewaySettings
from parlour.runtime.static_files import StaticFiles

from .doors import Door

BODY_BYTES_MAX = 1000


class Rooms(Door):
    """Rooms that answer what they are told to, behind a port with a public folder.

    Attributes:
        options: Those of their class.
        asked: The requests that reached a room: where, head and body.
        answer: What they answer: status, headers, body; while it is None, nothing.
        problem: What happens instead, if anything.
        exchanges: The requests that reached a room, as the gateway has them.
        told: What the room was told aside of each request: kind and payload.
        left: How many requests are over.
    """

    def __init__(self, public: Path | None) -> None:
        settings = GatewaySettings(
            host="127.0.0.1",
            port=0,
            manager_address="",
            redis_url="",
        )
        self.options = options_of(type("Chat", (Room,), {"body_limit": BODY_BYTES_MAX}))
        self.parties = {"main": self.options, "chat": self.options}
        self.request_timeout_s = 5.0
        self.files = StaticFiles(str(public or ""))
        self.edge = EdgeClient(Hello("gateway", "g", 0))
        super().__init__(handler=HttpFront(self, settings).handle)
        self.asked: list[tuple[RoomAddress, RequestHead, bytes]] = []
        self.answer: tuple[int, list[tuple[str, str]], bytes] | None = (200, [], b"ok")
        self.problem: Exception | None = None
        self.exchanges: list[Exchange] = []
        self.told: list[tuple[Kind, bytes]] = []
        self.left = 0

    def options_of(self, party: str) -> RoomOptions:
        return self.options

    def known_room(self, raw_path: str) -> RoomAddress | None:
        address = room_address(raw_path)
        if address is not None and address.key.party not in ("main", "chat"):
            raise LookupError(f"there is no party {address.key.party!r}")
        return address

    @asynccontextmanager
    async def ask_room(self, address: RoomAddress, payload: bytes) -> AsyncIterator[Exchange]:
        head_data, body = unpack_parts(payload)
        self.asked.append((address, messages.decode(head_data, RequestHead), body))
        exchange = Exchange(len(self.asked), self._on_told)
        self.exchanges.append(exchange)
        self._changed.set()
        if self.problem is not None:
            raise self.problem
        if self.answer is not None:
            status, headers, answer = self.answer
            exchange.on_response(ResponseHead(status, headers), answer)
        try:
            yield exchange
        finally:
            exchange.leave()
            self.left += 1
            self._changed.set()

    def _on_told(self, kind: Kind, number: int, payload: bytes) -> None:
        self.told.append((kind, payload))
        self._changed.set()


def request(target: str, method: str = "GET", body: bytes = b"", *headers: str) -> bytes:
    """A request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", "Host: h:1999", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
