"""The clients of a gateway: their sockets, and what passes between them and their rooms.

A socket belongs to the gateway, not to the process of its room: what a room says to a client that
is not there any more is dropped, and what a client says waits for the room in its route. Not here:
who is let in (gateway.py), where rooms are (router.py), and how a client is written to
(client_socket.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ..actors import messages
from ..actors.close_codes import GOING_AWAY, INTERNAL_ERROR, SERVICE_RESTART, TRY_AGAIN_LATER
from ..actors.counts import GatewayCounts
from ..actors.frames import (
    BROADCAST_BINARY,
    BROADCAST_TEXT,
    SEND_BINARY,
    SEND_TEXT,
    TEXT,
    Kind,
    pack_amount,
    unpack_broadcast,
    unpack_close,
)
from ..actors.messages import AutoResponse, Closed, ConnectionRecord, Standing
from ..actors.options import RoomOptions
from .client_socket import ClientSocket
from .desk_socket import HeldSocket
from .route import PendingEvent, Route
from .router import Router
from .websocket import OPCODE_BINARY, OPCODE_TEXT, build_frame

OnRoomFrame = Callable[[Route, int, int, bytes], None]


class Clients:
    """Of one gateway."""

    parties: Mapping[str, RoomOptions]  # what is deployed, with the next
    message_bytes_max: int
    router: Router  # given once it is there: each needs the other

    def __init__(self, on_other_frame: OnRoomFrame) -> None:
        """`on_other_frame` is given what rooms say that is not for a client's socket."""
        self.counts = GatewayCounts()
        self._on_other_frame = on_other_frame
        self._sockets: dict[int, tuple[HeldSocket, Route]] = {}

    def __len__(self) -> int:
        return len(self._sockets)

    def __repr__(self) -> str:
        return f"<Clients, {len(self)} sockets>"

    def connect(self, route: Route, record: ConnectionRecord, socket: HeldSocket) -> None:
        """Take a client to its room; it is let in when the room says so."""
        self._sockets[socket.number] = (socket, route)
        self.counts.connects += 1
        self.router.send_connect(route, record)

    def send_elsewhere(self, within_s: float) -> None:
        """Close all, evenly over so many seconds, with a code that asks to connect again: 1012."""
        sockets = [socket for socket, _ in self._sockets.values()]
        for place, socket in enumerate(sockets):
            delay_s = within_s * place / len(sockets)
            asyncio.get_running_loop().call_later(delay_s, _send_elsewhere, socket)

    def say_goodbye(self) -> None:
        """Close all: the gateway is ending."""
        for socket, _ in list(self._sockets.values()):
            socket.open()  # a client that waits for its room sees a code only once it is in
            socket.close(GOING_AWAY, "the server is stopping")

    # What clients do

    def on_message(self, socket: HeldSocket, kind: int, payload: bytes) -> None:
        """A client has sent a whole message."""
        route = self._sockets[socket.number][1]
        counts = self.counts
        counts.messages_in += 1
        counts.bytes_in += len(payload)
        automatic = route.auto_response
        if automatic is not None and payload == automatic[0] and kind == TEXT:
            counts.messages_out += 1
            counts.bytes_out += len(automatic[1])
            socket.write_frame(automatic[1])
        else:
            self.router.send(route, kind, socket.number, payload, socket)

    def on_closed(self, socket: HeldSocket, code: int, reason: str, was_clean: bool) -> None:
        """A client is gone."""
        held = self._sockets.pop(socket.number, None)
        if held is None:
            return  # it left before its room could have met it
        _, route = held
        route.sockets.pop(socket.number, None)
        if route.record(socket.number) is None:
            return  # its CONNECT was given up: no room has met it
        failure, why = socket.failure
        closed = messages.encode(Closed(code, reason, was_clean, failure, why))
        self.router.send(route, Kind.CLOSED, socket.number, closed)

    def on_buffered(self, socket: ClientSocket, size_bytes: int) -> None:
        """So much waits for a client to read it: passed a mark, or was read."""
        route = self._sockets[socket.number][1]
        record = route.record(socket.number)
        if record is not None:
            record.buffered_bytes = size_bytes
        self.router.send_aside(route, Kind.BUFFERED, socket.number, pack_amount(size_bytes))

    # What rooms say

    def on_room_frame(self, route: Route, kind: int, number: int, payload: bytes) -> None:
        """A room says something to a client, or about one; or something else."""
        if kind in (SEND_TEXT, SEND_BINARY):
            held = self._sockets.get(number)
            if held is not None:
                self.counts.messages_out += 1
                self.counts.bytes_out += len(payload)
                opcode = OPCODE_TEXT if kind == SEND_TEXT else OPCODE_BINARY
                held[0].write_frame(build_frame(opcode, payload))
        elif kind in (BROADCAST_TEXT, BROADCAST_BINARY):
            self._broadcast(route, kind, payload)
        elif kind == Kind.AUTO_RESPONSE:
            pair = messages.decode(payload, AutoResponse)
            route.auto_response = (
                None
                if pair.request is None
                else (pair.request, build_frame(OPCODE_TEXT, pair.response))
            )
        elif kind in _ABOUT_A_CLIENT:
            self._on_standing(route, kind, number, payload)
        else:
            self._on_other_frame(route, kind, number, payload)

    def _broadcast(self, route: Route, kind: int, payload: bytes) -> None:
        without, data = unpack_broadcast(payload)
        frame = build_frame(OPCODE_TEXT if kind == BROADCAST_TEXT else OPCODE_BINARY, data)
        count = len(route.sockets) - sum(number in route.sockets for number in without)
        self.counts.messages_out += count
        self.counts.bytes_out += count * len(data)
        if without:
            for number, socket in list(route.sockets.items()):
                if number not in without:
                    socket.write_frame(frame)
        else:
            for socket in list(route.sockets.values()):
                socket.write_frame(frame)

    def _on_standing(self, route: Route, kind: int, number: int, payload: bytes) -> None:
        if kind == Kind.ACCEPT or kind == Kind.STANDING:
            record = route.record(number)
            if record is not None:
                standing = messages.decode(payload, Standing)
                record.tags, record.state = standing.tags, standing.state
                record.place = standing.place
        elif kind == Kind.REPLACED:
            record = route.record(number)
            if record is not None:
                record.replaced = True
        held = self._sockets.get(number)
        if held is None:
            return
        if kind == Kind.TAKEN:
            route.sockets[number] = held[0]
        elif kind == Kind.ACCEPT:
            held[0].open()
        elif kind == Kind.CLOSE or kind == Kind.REPLACED:
            route.sockets.pop(number, None)
            held[0].close(*unpack_close(payload))

    def on_event_failed(self, event: PendingEvent, why: str, *, try_again: bool) -> None:
        """A client's event will not be handled."""
        if event.kind != Kind.CLOSED and event.number in self._sockets:
            socket = self._sockets[event.number][0]
            socket.fail(TRY_AGAIN_LATER if try_again else INTERNAL_ERROR, why)


_ABOUT_A_CLIENT = frozenset(
    map(int, (Kind.TAKEN, Kind.ACCEPT, Kind.STANDING, Kind.CLOSE, Kind.REPLACED))
)


def _send_elsewhere(socket: HeldSocket) -> None:
    socket.open()
    socket.close(SERVICE_RESTART, "this node is leaving, connect again")
