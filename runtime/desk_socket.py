"""A socket that a room has opened to another room, as the gateway holds it.

To the gateway it is one of its clients' sockets; what it is sent goes to the room that opened it,
as frames of the line to that room's process.
"""

from __future__ import annotations

from typing import Protocol

from ..actors import messages
from ..actors.call_errors import RoomUnavailable, pack_error
from ..actors.close_codes import TRY_AGAIN_LATER
from ..actors.frames import Kind, pack, pack_close, pack_parts
from ..actors.link import Link
from .client_socket import ClientSocket
from .websocket import OPCODE_TEXT, parse_frame


class DeskSocketOwner(Protocol):
    """Who is told of its end: the desk."""

    def on_closed(self, socket: DeskSocket, code: int, reason: str, was_clean: bool) -> None: ...


class DeskSocket:
    """One socket, from its CONNECT on: `number` is the gateway's, `line_number` the line's."""

    failure = (0, "")  # rooms break no rule of the protocol

    def __init__(self, owner: DeskSocketOwner, link: Link, line_number: int, number: int) -> None:
        self.number = number
        self.link = link
        self.line_number = line_number
        self._owner = owner
        self._is_open = False
        self._has_ended = False

    def __repr__(self) -> str:
        return f"<DeskSocket {self.number} of {self.link!r}>"

    # What the gateway does with a client's socket

    def open(self) -> None:
        """The room has let it in."""
        if not self._is_open and not self._has_ended:
            self._is_open = True
            self._say(Kind.ACCEPT, b"")

    def close(self, code: int, reason: str = "") -> None:
        """End it; what was sent before arrives first."""
        if not self._has_ended:
            self._say(Kind.CLOSE, pack_close(code, reason))
            self._end(code, reason, was_clean=True)

    def fail(self, code: int, reason: str) -> None:
        """The room does not take it, or cannot go on with it."""
        if self._is_open:
            self.close(code, reason)
        elif not self._has_ended:
            head, body = pack_error(RoomUnavailable(reason))
            self._say(Kind.RETURN, pack_parts(messages.encode(head), body))
            self._end(code, reason, was_clean=False)

    def write_frame(self, frame: bytes) -> None:
        """Send a WebSocket frame that is already built."""
        if self._has_ended:
            return
        opcode, payload = parse_frame(frame)
        self._say(Kind.SEND_TEXT if opcode == OPCODE_TEXT else Kind.SEND_BINARY, payload)
        if self.link.paused:
            self.close(TRY_AGAIN_LATER, "the room that opened this does not read it")

    def pause(self) -> None:
        """Its messages come over a line that others use: past the limit it is closed instead."""

    def resume(self) -> None:
        """See `pause`."""

    # What the line does

    @property
    def may_speak(self) -> bool:
        """Whether the other room hears what comes over the line."""
        return self._is_open and not self._has_ended

    def left(self, code: int, reason: str, *, was_clean: bool) -> None:
        """The room that opened it has closed it, or is gone."""
        if not self._has_ended:
            self._end(code, reason, was_clean=was_clean)

    def _end(self, code: int, reason: str, *, was_clean: bool) -> None:
        self._has_ended = True
        self._owner.on_closed(self, code, reason, was_clean)

    def _say(self, kind: Kind, payload: bytes) -> None:
        self.link.write(pack(kind, number=self.line_number, payload=payload))


HeldSocket = ClientSocket | DeskSocket  # what a gateway holds, of clients and of rooms
