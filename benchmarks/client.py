"""A WebSocket client for measuring: no event loop, one system call a read, one a write.

A load generator that costs as much as the server measures itself, so this one leaves out all that a
measurement does not need. It promises to check what it receives: a frame that is compressed,
masked, fragmented, longer than asked, or of another kind than text ends the run. (Pings are
answered.) It is not a general client: no TLS, no extensions, ASCII text alone, one size of message.
"""

import base64
import itertools
import os
import socket
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Iterator

CONNECT_TIMEOUT_S = 30.0  # a first room may have to start processes
SEND_TIMEOUT_S = 10.0  # a server that reads nothing for so long has failed
READ_SIZE_BYTES = 65_536
HEAD_SIZE_BYTES = 16_384  # of the answer to the upgrade request
MARK_SIZE_BYTES = 16  # each message starts with its number in so many hexadecimal digits
PING_KIND, PING_BYTES = 0x89, 4  # as uvicorn sends them; they are answered
RECURRING = 16  # messages of a socket before it sends the first again; one is in flight at a time
CLOSED = "the server closed a connection in the middle of the run"

_MASK_KEY = os.urandom(4)
_PONG_HEAD = bytes([0x8A, 0x80 | PING_BYTES]) + _MASK_KEY
_MARK_MASK = int.from_bytes(_MASK_KEY * (MARK_SIZE_BYTES // 4), "big")


class BadAnswer(Exception):
    """The server answered something else than the work asks for; the figures would mean nothing."""


class Messages:
    """All messages of one size: a number in hexadecimal, then filler, framed for either direction.

    The filler is masked once and the number each time: building a frame costs well under 1 µs at
    any size.
    """

    answers_each = 1  # to one message

    def __init__(self, size_bytes: int, before: bytes = b"", after: bytes = b"") -> None:
        """`before` (a multiple of four bytes long) and `after` are in each frame, too."""
        if size_bytes < MARK_SIZE_BYTES:
            raise ValueError(
                f"a message is {size_bytes} bytes, the least is {MARK_SIZE_BYTES}: its number"
            )
        self.size_bytes = size_bytes
        self._filler = b"x" * (size_bytes - MARK_SIZE_BYTES) + after
        self._tail_bytes = size_bytes + len(after)  # from the number on
        self._masked_filler = mask(self._filler)
        whole_bytes = len(before) + self._tail_bytes
        self._client_head = _frame_head(whole_bytes, masked=True) + _MASK_KEY + mask(before)
        self._server_head = _frame_head(whole_bytes, masked=False) + before

    def from_client(self, number: int) -> bytes:
        """The frame that a client sends."""
        mark = int.from_bytes(b"%016x" % number, "big") ^ _MARK_MASK
        return self._client_head + mark.to_bytes(MARK_SIZE_BYTES, "big") + self._masked_filler

    def from_server(self, number: int) -> bytes:
        """The frame that a server sends for the same message."""
        return self._server_head + b"%016x" % number + self._filler

    def turns(self, first: int) -> Iterator[tuple[bytes, bytes]]:
        """Frames of a client and the answers to them, numbered from `first`, without an end.

        The same ones come again and again, made beforehand: to make them takes a tenth of what
        the generator does for an echo.
        """
        numbers = range(first, first + RECURRING)
        return itertools.cycle([(self.from_client(n), self.from_server(n)) for n in numbers])

    def number_of_last(self, frames: bytes) -> int:
        """The number in the last of these frames from a server."""
        start = len(frames) - self._tail_bytes
        return int(frames[start : start + MARK_SIZE_BYTES], 16)


class Connection(ABC):
    """One socket to a server, reading and writing without blocking; below: what it says."""

    __slots__ = ("_partial", "expected", "number", "sent_at_ns", "socket", "turns")

    def __init__(self, connected: socket.socket, received: bytes = b"") -> None:
        self.socket, self._partial = connected, received
        self.number = 0  # fan-out: of the next message to come
        self.turns: Iterator[tuple[bytes, bytes]] = iter(())  # echo: what is to be sent, answered
        self.expected = b""  # the answer that must come next
        self.sent_at_ns = 0

    def send(self, frame: bytes) -> None:
        """Write the frame; wait only when the kernel takes less than all of it."""
        try:
            taken = self.socket.send(frame)
        except BlockingIOError:
            taken = 0
        if taken < len(frame):
            self.socket.settimeout(SEND_TIMEOUT_S)
            self.socket.sendall(frame[taken:])
            self.socket.setblocking(False)

    def receive(self) -> bytes:
        """What has come, which may be nothing.

        Raises:
            BadAnswer: The server closed the connection.
        """
        try:
            data = self.socket.recv(READ_SIZE_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise BadAnswer(CLOSED)
        return data

    @abstractmethod
    def read(self) -> bytes:
        """Whole answers only: what came, after what was left over. Empty: nothing whole yet.

        Raises:
            BadAnswer: The server closed the connection, or sent what this client does not read.
        """

    def close(self) -> None:
        """Drop the connection without a closing handshake."""
        self.socket.close()


class Client(Connection):
    """A WebSocket whose messages are whole frames of text."""

    __slots__ = ()

    def __init__(self, url: str) -> None:
        super().__init__(*_connect(url))

    def read(self) -> bytes:
        """Whole frames."""
        try:  # as `receive` does: this is where a load generator's time goes
            data = self.socket.recv(READ_SIZE_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise BadAnswer(CLOSED)
        if data == self.expected and not self._partial:
            return data
        self._partial += data
        return self._whole_frames()

    def _whole_frames(self) -> bytes:
        """Of what came and was not read, answering pings; the rest stays."""
        whole, pings = _whole_frames(self._partial)
        frames, self._partial = self._partial[:whole], self._partial[whole:]
        for start, end in reversed(pings):
            self.send(_PONG_HEAD + mask(frames[start + 2 : end]))
            frames = frames[:start] + frames[end:]
        return frames


def text_frame(text: bytes) -> bytes:
    """The frame of a client with this text."""
    return _frame_head(len(text), masked=True) + _MASK_KEY + mask(text)


def mask(data: bytes) -> bytes:
    """What begins at a multiple of four bytes, masked as this client does."""
    return bytes(byte ^ _MASK_KEY[index % 4] for index, byte in enumerate(data))


def connect_tcp(url: str) -> socket.socket:
    """A connected socket, blocking still, that sends what it is given at once."""
    parts = urllib.parse.urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    connection = socket.create_connection(address, timeout=CONNECT_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _connect(url: str) -> tuple[socket.socket, bytes]:
    """Open a WebSocket: the connected socket and the bytes that came after the handshake."""
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    key = base64.b64encode(os.urandom(16)).decode()
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = connect_tcp(url)
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = connection.recv(READ_SIZE_BYTES)
        if not data or len(answer) > HEAD_SIZE_BYTES:
            raise BadAnswer(f"{url} answered the upgrade request with {answer[:200]!r}")
        answer += data
    head, rest = answer.split(b"\r\n\r\n", 1)
    if head.split(b" ", 2)[1] != b"101":
        raise BadAnswer(f"{url} answered {head.splitlines()[0].decode()!r}, not 101")
    connection.setblocking(False)
    return connection, rest


def _frame_head(size_bytes: int, *, masked: bool) -> bytes:
    """First bytes of a whole text frame, in the shortest form, without the mask key."""
    bit = 0x80 if masked else 0
    if size_bytes < 126:
        return bytes([0x81, bit | size_bytes])
    if size_bytes < 65_536:
        return bytes([0x81, bit | 126]) + size_bytes.to_bytes(2, "big")
    return bytes([0x81, bit | 127]) + size_bytes.to_bytes(8, "big")


def _whole_frames(data: bytes) -> tuple[int, list[tuple[int, int]]]:
    """How many of the bytes belong to frames that are there whole, and where pings are in them."""
    start, pings = 0, []
    while len(data) - start >= 2:
        kind, size, body = data[start], data[start + 1], start + 2
        if kind != 0x81 and (kind != PING_KIND or size != PING_BYTES):
            raise BadAnswer(_unexpected(data[start : start + 64]))
        if size > 127:
            raise BadAnswer("a frame from the server is masked")
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) < body + width:
                break
            size = int.from_bytes(data[body : body + width], "big")
            body += width
        if len(data) < body + size:
            break
        if kind == PING_KIND:
            pings.append((start, body + size))
        start = body + size
    return start, pings


def _unexpected(frame: bytes) -> str:
    if frame[0] & 0x0F == 0x8 and len(frame) >= 4:
        code = int.from_bytes(frame[2:4], "big")
        return f"the server closed a connection: {code} {frame[4:].decode(errors='replace')}"
    return f"the server sent a frame that is no whole, plain text message: {frame[:16].hex(' ')}"
