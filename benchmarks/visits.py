"""Visits to rooms: connect, say one thing, get the answer; one after the other or many at once.

What a user waits for at a room that was asleep or never was: the TCP connection, the WebSocket's
handshake (or the HTTP request), and the answer to a first message. Each answer is checked: the
rooms tell how many messages this instance has handled and how many the room has in all.
Not here: sustained load (load.py), which clients come and when (bench_wake.py, bench_density.py).
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from benchmarks.client import READ_SIZE_BYTES, BadAnswer, Messages

STALL_S = 60.0  # without progress of any visit for so long, the server has failed
EVENTS_AT_ONCE = 256
# The kernel has some 28,000 ports for one source and one server: more addresses, more ports.
VISITS_PER_SOURCE = 20_000
SWITCHED = b"HTTP/1.1 101 "

Protocol = Literal["websocket", "http"]


@dataclass(frozen=True)
class Answer:
    """What a room says."""

    handled: int  # messages by this instance
    count: int  # messages ever, by what is stored


class Visit:
    """One client of one room, from its connect on. Its socket stays open until `close`."""

    def __init__(self, url: str, protocol: Protocol, number: int) -> None:
        parts = urllib.parse.urlsplit(url)
        self.url = url
        self.answer = Answer(0, 0)
        self.latency_ns = 0  # of the newest message; the first one includes connecting
        self._to = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._source = f"127.0.0.{1 + number // VISITS_PER_SOURCE}"
        self._protocol = protocol
        self._path = parts.path
        self._received = b""
        self._opened = False
        self.began_ns = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    def begin(self) -> None:
        """Connect; what follows is done in `proceed`."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._source.endswith(".1"):
            self.socket.bind((self._source, 0))
        self.began_ns = time.perf_counter_ns()
        error = self.socket.connect_ex(self._to)
        if error not in (0, errno.EINPROGRESS):
            raise BadAnswer(f"{self.url} cannot be connected to: {os.strerror(error)}")

    def request(self) -> None:
        """The connection is there: ask."""
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise BadAnswer(f"{self.url} cannot be connected to: {os.strerror(error)}")
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            if self._protocol == "websocket"
            else ""
        )
        host = f"{self._to[0]}:{self._to[1]}"
        self.socket.sendall(f"GET {self._path} HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n".encode())

    def say(self) -> None:
        """Send one more message on a WebSocket that is open."""
        self.began_ns = time.perf_counter_ns()
        self.socket.sendall(MESSAGE)

    def proceed(self) -> bool:
        """Read what came and do what comes next; tells whether the answer is there."""
        try:
            data = self.socket.recv(READ_SIZE_BYTES)
        except BlockingIOError:
            return False
        if not data:
            raise BadAnswer(f"{self.url} was closed by the server; it said {self._received!r}")
        self._received += data
        text = self._http_text() if self._protocol == "http" else self._websocket_text()
        if text is None:
            return False
        self.latency_ns = time.perf_counter_ns() - self.began_ns
        handled, _, count = text.partition(" of ")
        self.answer = Answer(int(handled), int(count))
        self._received = b""
        return True

    def close(self) -> None:
        """Drop the connection."""
        self.socket.close()

    def _http_text(self) -> str | None:
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return None
        if b" 200 " not in head[:14]:
            raise BadAnswer(f"{self.url} answered {self._received[:300]!r}")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        return body.decode() if len(body) == int(fields[b"content-length"]) else None

    def _websocket_text(self) -> str | None:
        if not self._opened:
            head, blank, rest = self._received.partition(b"\r\n\r\n")
            if not blank:
                return None
            if not head.startswith(SWITCHED):
                raise BadAnswer(f"{self.url} answered {self._received[:300]!r}")
            self._opened, self._received = True, rest
            self.socket.sendall(MESSAGE)
        frame = self._received
        if len(frame) < 2 or len(frame) < 2 + frame[1]:
            return None
        if frame[0] != 0x81 or len(frame) > 2 + frame[1]:
            raise BadAnswer(f"{self.url} sent {frame!r} where one short text is due")
        return frame[2:].decode()


MESSAGE = Messages(16).from_client(1)


def visit_all(
    urls: Iterable[str],
    protocol: Protocol,
    *,
    at_once: int,
    on_done: Callable[[Visit], None] = lambda visit: None,
) -> list[Visit]:
    """Visit each URL, `at_once` at a time; the visits, all answered, in the order of the answers.

    Raises:
        BadAnswer: If any was refused, closed or answered wrongly, or nothing moved for `STALL_S`.
    """
    visits = [Visit(url, protocol, number) for number, url in enumerate(urls)]
    try:
        return _all(visits, at_once, on_done)
    except BaseException:
        for visit in visits:
            visit.close()
        raise


def _all(visits: list[Visit], at_once: int, on_done: Callable[[Visit], None]) -> list[Visit]:
    waiting = iter(visits)
    under_way: dict[int, Visit] = {}
    done: list[Visit] = []
    with select.epoll() as poll:

        def begin_next() -> None:
            visit = next(waiting, None)
            if visit is not None:
                visit.begin()
                under_way[visit.socket.fileno()] = visit
                poll.register(visit.socket, select.EPOLLOUT)

        for _ in range(at_once):
            begin_next()
        while under_way:
            events = poll.poll(STALL_S, EVENTS_AT_ONCE)
            if not events:
                raise BadAnswer(f"{len(under_way)} visits got no answer within {STALL_S:.0f} s")
            for fd, event in events:
                visit = under_way[fd]
                if event & select.EPOLLOUT:
                    visit.request()
                    poll.modify(fd, select.EPOLLIN)
                elif visit.proceed():
                    poll.unregister(fd)
                    del under_way[fd]
                    done.append(visit)
                    on_done(visit)
                    begin_next()
    return done


def say_again(visit: Visit) -> Answer:
    """One more message on an open WebSocket; waits for the answer."""
    visit.say()
    with select.epoll() as poll:
        poll.register(visit.socket, select.EPOLLIN)
        while True:
            if not poll.poll(STALL_S):
                raise BadAnswer(f"{visit.url} gave no answer within {STALL_S:.0f} s")
            if visit.proceed():
                return visit.answer
