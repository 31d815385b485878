"""What peers speak to the load generator besides plain WebSocket: Socket.IO, HTTP, Redis.

Each is a connection and its messages, with the answers checked as strictly as WebSocket frames
are. None is a general client: one message of a fixed size at a time, the answers that these
servers give, nothing else.
"""

from __future__ import annotations

import itertools
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from benchmarks.client import (
    CONNECT_TIMEOUT_S,
    BadAnswer,
    Client,
    Connection,
    Messages,
    connect_tcp,
    text_frame,
)

KEYS = 1000  # as in rooms.py
PIPELINED = 50  # SETs in one write of the work `pipelined`
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Engine.IO 4: one digit for the kind of packet, then Socket.IO's own.
PING, PONG = b"\x81\x012", text_frame(b"3")
OPEN, CONNECT, EVENT = b"0{", b"40", b'42["m","'


@dataclass(frozen=True)
class Dialect:
    """How connections are made and what is said on them."""

    connect: Callable[[str], Connection]
    messages: Messages


def dialect_of(url: str, work: str, size_bytes: int) -> Dialect:
    """By the scheme of the URL; the work `http` asks over HTTP what others ask over WebSocket."""
    scheme = urlsplit(url).scheme
    if work == "http":
        return Dialect(HttpClient, HttpMessages(size_bytes))
    if scheme == "socketio":
        return Dialect(SocketIoClient, Messages(size_bytes, EVENT, b'"]'))
    if scheme == "redis":
        pipelined = parse_qs(urlsplit(url).query)["work"] == ["pipelined"]
        return Dialect(RedisClient, RedisMessages(size_bytes, PIPELINED if pipelined else 1))
    return Dialect(Client, Messages(size_bytes))


class SocketIoClient(Client):
    """Socket.IO over a WebSocket from the beginning: its handshake, events, answers to pings."""

    __slots__ = ()

    def __init__(self, url: str) -> None:
        """`socketio://host:port/<party>/<room>`; the server is told both as a query."""
        parts = urlsplit(url)
        _, party, room = parts.path.split("/")
        query = f"EIO=4&transport=websocket&party={party}&room={room}"
        super().__init__(f"ws://{parts.netloc}/socket.io/?{query}")
        self._await(OPEN)
        self.send(text_frame(CONNECT))
        self._await(CONNECT + b"{")

    def read(self) -> bytes:
        """Frames with events; a ping is answered, and not among them."""
        frames = super().read()
        if frames == self.expected or PING not in frames:
            return frames
        self.send(PONG)
        return frames.replace(PING, b"")  # what is said is ASCII: no other 0x81 begins a frame

    def _await(self, start: bytes) -> None:
        """Wait for the one packet of the handshake that is due."""
        end = time.monotonic() + CONNECT_TIMEOUT_S
        frame = self._whole_frames()  # it may have come together with what was read before
        self.socket.settimeout(CONNECT_TIMEOUT_S)
        while not frame and time.monotonic() < end:
            frame = self.read()
        self.socket.setblocking(False)
        if not frame[2:].startswith(start):
            raise BadAnswer(f"{start!r} of the Socket.IO handshake is due, {frame[:60]!r} came")


class HttpMessages(Messages):
    """Bodies of requests and of their answers, which are the same."""

    def from_client(self, number: int) -> bytes:
        """The body of a request."""
        return b"%016x" % number + self._filler

    from_server = from_client


class HttpClient(Connection):
    """One connection that is kept alive: a POST with a body, an answer 200 with a body."""

    __slots__ = ("_head",)

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        super().__init__(connect_tcp(url))
        self.socket.setblocking(False)
        self._head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: "

    def send(self, frame: bytes) -> None:
        """A request with this body."""
        super().send(f"{self._head}{len(frame)}\r\n\r\n".encode() + frame)

    def read(self) -> bytes:
        """The body of the one answer that is due."""
        self._partial += self.receive()
        head, blank, body = self._partial.partition(b"\r\n\r\n")
        if not blank:
            return b""
        length = CONTENT_LENGTH.search(head)
        if length is None or not head.startswith(b"HTTP/1.1 200 "):
            raise BadAnswer(f"an answer 200 with a Content-Length is due, {head[:200]!r} came")
        if len(body) < int(length[1]):
            return b""
        self._partial = b""
        return body


class RedisMessages(Messages):
    """SETs of one of 1,000 keys to a message, `count` at a time, and as many `+OK`."""

    def __init__(self, size_bytes: int, count: int) -> None:
        super().__init__(size_bytes)
        self.answers_each = count
        self._answers = b"+OK\r\n" * count

    def from_client(self, number: int) -> bytes:
        """The commands; each message of a pipeline goes to a key of its own."""
        return b"".join(
            b"*3\r\n$3\r\nSET\r\n$12\r\nkey-%08d\r\n$%d\r\n%016x%b\r\n"
            % ((number * self.answers_each + index) % KEYS, self.size_bytes, number, self._filler)
            for index in range(self.answers_each)
        )

    def from_server(self, number: int) -> bytes:
        """All answers to them."""
        return self._answers

    def turns(self, first: int) -> Iterator[tuple[bytes, bytes]]:
        """Each message is new: its number chooses the keys."""
        return ((self.from_client(n), self._answers) for n in itertools.count(first))


class RedisClient(Connection):
    """A connection to a Redis on a Unix socket."""

    __slots__ = ()

    def __init__(self, url: str) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(urlsplit(url).path)
        connection.setblocking(False)
        super().__init__(connection)

    def read(self) -> bytes:
        """As many bytes as are due, or an error."""
        self._partial += self.receive()
        if len(self._partial) < len(self.expected) and not self._partial.startswith(b"-"):
            return b""
        answers, self._partial = self._partial, b""
        return answers
