"""A client's WebSocket to a room, for Python programs: it comes back by itself.

`RoomSocket` connects, keeps its id, connects again when the connection is lost, after pauses that
grow and are never the same, and sends then, in order, what was to be sent meanwhile. What was
written to a connection that broke may be lost on its way: nothing here asks the room what it has
got. It needs neither Ray nor Redis.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping
from http.client import responses
from types import TracebackType
from typing import Self

import aiohttp

from ..actors.close_codes import ABNORMAL, NO_STATUS, NORMAL
from ..actors.network import probe
from .reconnecting import (
    RECONNECT_CODES,
    STABLE_S,
    Backoff,
    BufferFull,
    RoomRefused,
    is_final,
)
from .room_url import room_url

BUFFER_BYTES_MAX = 4 * 1024 * 1024  # that wait to be sent
UNREAD_MESSAGES_MAX = 1000  # past it the connection is not read
MESSAGE_BYTES_MAX = 32 * 1024 * 1024  # of one message from a room
CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0  # for the server to answer a close
PROBE_IDLE_S, PROBE_INTERVAL_S, PROBES = 15, 5, 3
UNACKNOWLEDGED_MS_MAX = 30_000  # what was sent and is not acknowledged: the connection is dead


class RoomSocket:
    """A WebSocket to a room. Use it as `async with`, and iterate over it for what the room sends.

        async with RoomSocket("http://127.0.0.1:1999", "lobby", party="chat") as socket:
            socket.send("hello")
            async for message in socket:
                ...

    Attributes:
        id: The connection's id (`_pk`), the same over all connections.
        connects: How often it was connected.
        is_open: Whether it is connected now.
        close_code, close_reason: How the last connection ended; None and "" before.
    """

    def __init__(
        self,
        url: str,
        room: str,
        *,
        party: str = "main",
        id: str | None = None,
        path: str = "/",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        backoff: Backoff | None = None,
        reconnect_codes: frozenset[int] = RECONNECT_CODES,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
    ) -> None:
        """`url` is the server's: `http`, `https`, `ws` or `wss`, host and port; `path` is below
        the room.

        Raises:
            ValueError: If `url` is none of these.
        """
        self.id = id or str(uuid.uuid4())
        self.connects = 0
        self.is_open = False
        self.close_code: int | None = None
        self.close_reason = ""
        self._url = room_url(url, party, room, path, {**(query or {}), "_pk": self.id}, "ws")
        self._headers = dict(headers or {})
        self._backoff = backoff or Backoff()
        self._reconnect_codes = reconnect_codes
        self._buffer_bytes_max = buffer_bytes_max
        self._buffer: deque[str | bytes] = deque()
        self._unread: deque[str | bytes] = deque()
        self._to_send = asyncio.Event()  # or to be closed
        self._news = asyncio.Event()  # a message has arrived, or it was opened, or is over
        self._was_read = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._is_over = False
        self._problem: RoomRefused | None = None
        self._task: asyncio.Task[None] | None = None
        self.buffered_bytes = 0

    def __repr__(self) -> str:
        state = "open" if self.is_open else "over" if self._is_over else "down"
        return f"<RoomSocket {self.id} {state}, {self.buffered_bytes} bytes buffered>"

    def start(self) -> None:
        """Begin to connect, as `async with` does; `close` ends what was begun."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def __aenter__(self) -> Self:
        if self._is_over:
            raise RuntimeError("a RoomSocket is used once; make another")
        self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def opened(self) -> None:
        """Wait until it is connected.

        Raises:
            RoomRefused: If the server does not let it in.
            ConnectionError: If it is closed before.
        """
        while not self.is_open:
            await self._wait_for_news()

    def send(self, message: str | bytes) -> None:
        """Send text or bytes, in order; while it is not connected they wait. Never blocks.

        Raises:
            TypeError: If `message` is neither str nor bytes.
            BufferFull: If with it more than `buffer_bytes_max` bytes would wait.
            ConnectionError: If the socket is closed for good.
        """
        if not isinstance(message, str | bytes | bytearray | memoryview):
            raise TypeError(f"a {type(message).__name__} was to be sent; send str or bytes")
        if self._is_over or self._closing is not None:
            raise ConnectionError(f"the socket is closed: {self.close_code} {self.close_reason}")
        data = message if isinstance(message, str) else bytes(message)
        size_bytes = _size_bytes(data)
        if self.buffered_bytes + size_bytes > self._buffer_bytes_max:
            raise BufferFull(
                f"{self.buffered_bytes} bytes wait to be sent, with {size_bytes} more that is over "
                f"{self._buffer_bytes_max}; wait until the room is reached again"
            )
        self._buffer.append(data)
        self.buffered_bytes += size_bytes
        self._to_send.set()

    async def receive(self) -> str | bytes:
        """The next message, over however many connections.

        Raises:
            RoomRefused: If the server does not let the client in.
            ConnectionError: If the socket is closed for good, and all that came was read.
        """
        while not self._unread:
            await self._wait_for_news()
        self._was_read.set()
        return self._unread.popleft()

    async def _wait_for_news(self) -> None:
        if self._is_over:
            raise self._problem or ConnectionError(f"closed: {self.close_code} {self.close_reason}")
        self._news.clear()
        await self._news.wait()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                message = await self.receive()
            except ConnectionError:
                return
            yield message

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close it for good; what waits is sent first if it is connected."""
        if self._closing is None:
            self._closing = (code, reason)
        self._to_send.set()
        if self._task is not None:
            if self.is_open:
                await asyncio.wait([self._task], timeout=2 * CLOSE_TIMEOUT_S)
            self._task.cancel()
            await asyncio.wait([self._task])
            self._end(code, reason)

    # The task

    async def _run(self) -> None:
        try:
            await self._stay_connected()
        finally:
            self._end(*(self._closing or (self.close_code or ABNORMAL, self.close_reason)))

    async def _stay_connected(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                began_s = loop.time()
                try:
                    code, reason = await self._connect_once(session)
                except RoomRefused as error:
                    self._problem = error
                    return
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    code, reason = ABNORMAL, f"{type(error).__name__}: {error}"
                self.close_code, self.close_reason = code, reason
                if self._closing is not None or code not in self._reconnect_codes:
                    return
                failures = 1 if loop.time() - began_s > STABLE_S else failures + 1
                await asyncio.sleep(self._backoff.pause_s(failures, random.random()))

    async def _connect_once(self, session: aiohttp.ClientSession) -> tuple[int, str]:
        """Serve one connection to its end; returns how it was closed."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                websocket = await session.ws_connect(
                    self._url,
                    headers=self._headers,
                    max_msg_size=MESSAGE_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                )
        except aiohttp.WSServerHandshakeError as error:
            if is_final(error.status):
                # Its body, which says why, is not read; aiohttp's own words say nothing.
                raise RoomRefused(error.status, responses.get(error.status, "")) from None
            raise
        connection = websocket.get_extra_info("socket")
        if connection is not None:
            # A server that has vanished without a word is not waited for.
            probe(connection, PROBE_IDLE_S, PROBE_INTERVAL_S, PROBES, UNACKNOWLEDGED_MS_MAX)
        self.connects += 1
        self.is_open = True
        self._news.set()
        sending = asyncio.ensure_future(self._keep_sending(websocket))
        try:
            return await self._keep_reading(websocket)
        finally:
            self.is_open = False
            sending.cancel()
            await _say_goodbye(websocket, *(self._closing or (NORMAL, "")))

    async def _keep_reading(self, websocket: aiohttp.ClientWebSocketResponse) -> tuple[int, str]:
        while True:
            message = await websocket.receive()
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                self._unread.append(message.data)
                self._news.set()
                while len(self._unread) >= UNREAD_MESSAGES_MAX:
                    self._was_read.clear()
                    await self._was_read.wait()
                continue
            if self._closing is not None:
                return self._closing
            if message.type == aiohttp.WSMsgType.CLOSE:
                return message.data or NO_STATUS, message.extra or ""
            return websocket.close_code or ABNORMAL, ""

    async def _keep_sending(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        while not websocket.closed:
            while self._buffer:
                message = self._buffer.popleft()
                try:
                    if isinstance(message, str):
                        await websocket.send_str(message)
                    else:
                        await websocket.send_bytes(message)
                except (aiohttp.ClientError, OSError):
                    self._buffer.appendleft(message)  # for the next connection
                    return  # the reader learns of it
                self.buffered_bytes -= _size_bytes(message)
            if self._closing is not None:
                await _say_goodbye(websocket, *self._closing)
                return
            self._to_send.clear()
            await self._to_send.wait()

    def _end(self, code: int, reason: str) -> None:
        self.is_open = False
        if not self._is_over:
            self._is_over = True
            self.close_code, self.close_reason = code, reason
            self._news.set()


async def _say_goodbye(websocket: aiohttp.ClientWebSocketResponse, code: int, reason: str) -> None:
    await websocket.close(code=code, message=reason.encode())


def _size_bytes(message: str | bytes) -> int:
    return len(message.encode()) if isinstance(message, str) else len(message)
