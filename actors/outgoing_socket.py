"""A socket that a room has opened to another room: that one sees an ordinary connection.

It lives as long as the room that opened it stays in its process; the room at its other end may
hibernate, crash and move behind it. What is sent leaves through the output gate of the room that
sends. What arrives waits until it is read, up to a limit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self

from . import messages
from .close_codes import NORMAL, TRY_AGAIN_LATER
from .connection import check_close, sendable
from .frames import Kind, pack

if TYPE_CHECKING:
    from types import TracebackType

    from .gates import OutputGate

UNREAD_BYTES_MAX = 4 * 1024 * 1024  # past it the socket is closed with 1013


class SocketClosed(ConnectionError):
    """A socket that was read after its end; `code` and `reason` tell how it was closed."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"the socket is closed: {self.code} {self.reason}".rstrip()


class SocketLine(Protocol):
    """What takes a socket's frames to the other room."""

    @property
    def paused(self) -> bool:
        """Whether too much waits to be taken."""

    def write(self, frame: bytes) -> None: ...

    def forget_socket(self, number: int) -> None: ...


class OutgoingSocket:
    """A socket to another room; iterate over it to get what that sends.

    Attributes:
        id: The connection's id, as the other room sees it.
        close_code, close_reason: How it was closed; None and "" while it is open.
    """

    def __init__(
        self,
        socket_id: str,
        gate: Callable[[], OutputGate],
        on_gone: Callable[[OutgoingSocket], object],
    ) -> None:
        self.id = socket_id
        self.close_code: int | None = None
        self.close_reason = ""
        self._gate = gate
        self._on_gone = on_gone
        self._line: SocketLine | None = None  # from when it is asked for, until its end
        self._number = 0
        self._unread: deque[str | bytes] = deque()
        self._unread_bytes = 0
        self._changed = asyncio.Event()
        self._closing = False

    def __repr__(self) -> str:
        state = "open" if self.close_code is None else f"closed with {self.close_code}"
        return f"<OutgoingSocket {self.id} {state}>"

    def send(self, message: str | bytes) -> None:
        """Send text or bytes, once every earlier write of this room is durable. Never blocks.

        A message to a socket that is closed is dropped.

        Raises:
            TypeError: If `message` is neither str nor bytes.
            ValueError: If it is over `MESSAGE_BYTES_MAX` bytes.
        """
        if isinstance(message, str):
            kind, data = Kind.TEXT, sendable(message.encode())
        else:
            kind, data = Kind.BINARY, sendable(message)
        if self.close_code is None and not self._closing:
            self._gate().send(self, pack(kind, number=self._number, payload=data))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the socket, after what was sent before; what has arrived can still be read.

        Raises:
            ValueError: As `Connection.close` does.
        """
        check_close(code, reason)
        if self.close_code is None and not self._closing:
            self._closing = True
            last = self._closed_frame(code, reason, was_clean=True)
            self._gate().send(_LastWord(self), last)
            self.ended(code, reason)

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            SocketClosed: If there is none, and will be none.
        """
        while not self._unread:
            if self.close_code is not None:
                raise SocketClosed(self.close_code, self.close_reason)
            self._changed.clear()
            await self._changed.wait()
        message = self._unread.popleft()
        self._unread_bytes -= len(message)
        return message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.receive()
        except SocketClosed:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # For what carries it

    def write(self, frame: bytes) -> None:
        """The output gate lets a frame out."""
        line = self._line
        if line is not None:
            line.write(frame)
            if line.paused and not self._closing:
                self.leave(TRY_AGAIN_LATER, "what is sent is not taken")

    def belongs_to(self, line: SocketLine, number: int) -> None:
        """It was asked for over this line, under this number."""
        self._line, self._number = line, number

    def received(self, message: str | bytes) -> None:
        """A message has arrived."""
        if self.close_code is not None:
            return
        self._unread.append(message)
        self._unread_bytes += len(message)
        self._changed.set()
        if self._unread_bytes > UNREAD_BYTES_MAX:
            self.leave(TRY_AGAIN_LATER, "what arrives is not read")

    def leave(self, code: int, reason: str) -> None:
        """End it now; what was not sent yet is dropped."""
        if self._line is not None:
            self._line.write(self._closed_frame(code, reason, was_clean=False))
        self.ended(code, reason)
        self.let_go()

    def ended(self, code: int, reason: str) -> None:
        """It is closed; who waits for a message learns it after those that have arrived."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self._changed.set()

    def let_go(self) -> None:
        """Nothing more leaves."""
        if self._line is not None:
            self._line.forget_socket(self._number)
            self._line = None
        self._on_gone(self)

    def _closed_frame(self, code: int, reason: str, *, was_clean: bool) -> bytes:
        closed = messages.encode(messages.Closed(code, reason, was_clean))
        return pack(Kind.CLOSED, number=self._number, payload=closed)


class _LastWord:
    """Where the last frame of a socket leaves."""

    def __init__(self, socket: OutgoingSocket) -> None:
        self._socket = socket

    def write(self, frame: bytes) -> None:
        self._socket.write(frame)
        self._socket.let_go()
