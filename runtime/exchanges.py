"""All requests that a gateway waits for answers of; each is an `Exchange`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from ..actors import messages
from ..actors.frames import Kind, unpack_parts
from ..actors.messages import ResponseHead, RoomKey
from .exchange import Exchange, refuse
from .route import Route
from .router import Router

KINDS = frozenset([Kind.RESPONSE, Kind.PIECE, Kind.END, Kind.WANTED])  # that rooms say of requests


class Exchanges:
    """Of one gateway."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._exchanges: dict[int, Exchange] = {}
        self._begun: dict[RoomKey, dict[int, Exchange]] = {}  # those that are tied to a room actor

    def __repr__(self) -> str:
        return f"<Exchanges {len(self._exchanges)}>"

    def __len__(self) -> int:
        return len(self._exchanges)

    @contextlib.asynccontextmanager
    async def ask(self, route: Route, number: int, payload: bytes) -> AsyncIterator[Exchange]:
        """Take a request to its room, for as long as its answer is waited for."""
        exchange = Exchange(number, partial(self._router.send_aside, route))
        self._exchanges[number] = exchange
        try:
            self._router.send(route, Kind.REQUEST, number, payload)
            yield exchange
        finally:
            del self._exchanges[number]
            begun = self._begun.get(route.key)
            if begun is not None and begun.pop(number, None) is not None and not begun:
                del self._begun[route.key]
            exchange.leave()

    def on_room_frame(self, route: Route, kind: int, number: int, payload: bytes) -> None:
        """A room says something of a request: one of `KINDS`."""
        exchange = self._exchanges.get(number)
        if exchange is None:
            refuse(partial(self._router.send_aside, route), number, kind)
            return
        if kind == Kind.RESPONSE:
            head, body = unpack_parts(payload)
            exchange.on_response(messages.decode(head, ResponseHead), body)
        else:
            exchange.on_frame(kind, payload)
        if exchange.begun:
            self._begun.setdefault(route.key, {})[number] = exchange

    def on_room_left(self, key: RoomKey) -> None:
        """The room actor that had the room has it no more."""
        for exchange in self._begun.get(key, {}).values():
            exchange.lose_room()

    def fail(self, number: int, status: int, why: str) -> None:
        """A request will not be answered."""
        exchange = self._exchanges.get(number)
        if exchange is not None:
            exchange.fail(status, why)
