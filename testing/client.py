"""A client of a room under test: a real WebSocket to the gateway, and what came over it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from ..actors.close_codes import ABNORMAL, NO_STATUS


class Close(NamedTuple):
    """How a connection ended, as the client sees it: 1006 for one that was cut."""

    code: int
    reason: str


class Client(WSListener):
    """One client. Made by `RoomUnderTest.connect`.

    Each call returns when the room, and all that follows from it, has come to rest.

    Attributes:
        id: Its `_pk`.
        closed: How its connection ended; None while it is open.
    """

    def __init__(self, client_id: str, rest: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.id = client_id
        self.closed: Close | None = None
        self._rest = rest
        self._inbox: deque[str | bytes] = deque()
        self._transport: WSTransport
        self._close: Close | None = None
        self._pongs = 0

    def __repr__(self) -> str:
        return f"<Client {self.id}{f', {self.closed}' if self.closed else ''}>"

    async def send(self, *messages: str | bytes) -> None:
        """Send messages, text or bytes, one after the other without waiting in between.

        Raises:
            ConnectionError: If the connection has ended.
        """
        if self.closed is not None:
            raise ConnectionError(f"{self!r} cannot send: its connection has ended")
        for message in messages:
            kind = WSMsgType.TEXT if isinstance(message, str) else WSMsgType.BINARY
            self._transport.send(kind, message.encode() if isinstance(message, str) else message)
        await self._rest()

    async def send_json(self, value: object) -> None:
        """Send a value as JSON in a text message."""
        await self.send(json.dumps(value))

    async def ping(self) -> bool:
        """Send a ping of the WebSocket protocol; tells whether it was answered."""
        answered = self._pongs
        self._transport.send_ping()
        await self._rest()
        return self._pongs > answered

    async def receive(self) -> str | bytes:
        """The oldest message that was not taken yet.

        Raises:
            AssertionError: If there is none, now that all rooms are at rest.
        """
        if not self._inbox:
            await self._rest()
        if not self._inbox:
            raise AssertionError(f"{self!r} was sent nothing (more)")
        return self._inbox.popleft()

    async def receive_json(self) -> Any:
        """The oldest message that was not taken yet, decoded from JSON."""
        return json.loads(await self.receive())

    async def received(self) -> list[str | bytes]:
        """All messages that were not taken yet, the oldest first; takes them."""
        await self._rest()
        messages = list(self._inbox)
        self._inbox.clear()
        return messages

    async def received_json(self) -> list[Any]:
        """All messages that were not taken yet, decoded from JSON; takes them."""
        return [json.loads(message) for message in await self.received()]

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, as a client does that has no more to say."""
        if self.closed is None:
            self._transport.send(WSMsgType.CLOSE, code.to_bytes(2, "big") + reason.encode())
        await self._rest()

    async def vanish(self) -> None:
        """Cut the connection without a word: `on_close` is told 1006."""
        self._transport.underlying_transport.abort()
        await self._rest()

    def abandon(self) -> None:
        """The test is over."""
        if self.closed is None:
            self._transport.underlying_transport.abort()

    # picows.WSListener

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._inbox.append(frame.get_payload_as_utf8_text())
        elif frame.msg_type == WSMsgType.BINARY:
            self._inbox.append(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            self._pongs += 1
        elif frame.msg_type == WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            code = int.from_bytes(payload[:2], "big") if payload else NO_STATUS
            self._close = Close(code, payload[2:].decode())
            transport.send(WSMsgType.CLOSE, payload)  # does nothing if it is the answer to ours
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed = self._close or Close(ABNORMAL, "")
