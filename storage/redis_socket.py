"""One socket to a server: bytes out, replies in, until it is lost. It never reconnects.

Promise: whatever ends the socket (the peer, silence, nonsense on the wire), `on_lost` is called
once with the reason. What that means for the commands is decided elsewhere (redis_commands.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import hiredis

from .redis_commands import UNSERVED, Argument, Command, CommandQueue, ConnectionLimits, pack
from .redis_url import RedisUrl
from .server_errors import CommandFailed, ServerRefused

_PING = pack(("PING",))
_NOTHING = object()


class RedisSocket(asyncio.Protocol):
    """Writes what waits in `queue` and settles its commands with the replies.

    Attributes:
        queue: Whose commands; may be exchanged while nothing is in flight.
        heard_at_s: Loop time of the last bytes received, or of the first question after an
            answer: since then the server owes us something.
        served: Whether the server has answered a command since `queue` was exchanged.
    """

    def __init__(self, queue: CommandQueue) -> None:
        self.queue = queue
        self.on_lost: Callable[[str], None] | None = None
        self.served = False
        self._loop = asyncio.get_running_loop()
        self.heard_at_s = self._loop.time()
        self._reader = hiredis.Reader(replyError=CommandFailed, notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._known_scripts: set[str] = set()
        self._unserved_code: str | None = None
        self._is_paused = False
        self._problem: str | None = None
        self._unsent_bytes = 0

    @property
    def is_open(self) -> bool:
        return self._transport is not None and self._problem is None

    def write(self) -> None:
        """Write everything that waits, in one call to the kernel as far as it takes it."""
        if self._is_paused or self._unserved_code is not None or self._transport is None:
            return
        if not self.queue.in_flight:
            self.heard_at_s = self._loop.time()
        chunks = self.queue.take(self._known_scripts)
        if chunks:
            self._transport.write(chunks[0] if len(chunks) == 1 else b"".join(chunks))

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._transport is not None:
            self.heard_at_s = self._loop.time()
            self.queue.in_flight.append(None)
            self._transport.write(_PING)

    def ask(self, *parts: Argument) -> asyncio.Future[Any]:
        """Send one command at once: for those that open the connection."""
        command = Command(parts, self._loop.create_future())
        self.queue.add(command)
        self.write()
        return command.reply

    def quiet_s(self, now_s: float) -> float:
        """For how long nothing has moved, either way: a long upload is no silence."""
        if self._transport is not None:
            unsent_bytes = self._transport.get_write_buffer_size()
            if unsent_bytes != self._unsent_bytes:
                self._unsent_bytes = unsent_bytes
                self.heard_at_s = now_s
        return now_s - self.heard_at_s

    def abort(self, problem: str) -> None:
        """Give the socket up now. `on_lost` is called before this returns."""
        if self._transport is not None:
            self._transport.abort()
        self._end(problem)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._problem is not None:
            return
        self.heard_at_s = self._loop.time()
        try:
            self._reader.feed(data)
            settle = self.queue.settle
            while (reply := self._reader.gets()) is not _NOTHING:
                code = settle(reply)
                if code is not None:
                    self._note_unserved(code)
        except (hiredis.HiredisError, IndexError) as error:
            # A reply that nobody asked for, or no reply at all: what follows cannot be matched.
            self.abort(f"it does not speak the protocol: {error}")
            return
        self.served = self.served or self._unserved_code is None
        if self._unserved_code is not None and not self.queue.in_flight:
            self._answer_unserved(self._unserved_code)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self.write()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(str(exc) if exc is not None else "it closed the connection")

    def _note_unserved(self, code: str) -> None:
        """Write nothing more until all replies are in, so that order is kept."""
        if self._unserved_code is None or code in UNSERVED:
            self._unserved_code = code

    def _answer_unserved(self, code: str) -> None:
        if code in UNSERVED:
            self.abort(f"it answers {code}")
            return
        self._unserved_code = None
        self.queue.requeue()
        self.write()

    def _end(self, problem: str) -> None:
        if self._problem is None:
            self._problem = problem
            if self.on_lost is not None:
                self.on_lost(problem)


class ServerNotReady(Exception):
    """The server is there but cannot serve yet: it loads its data, is busy, is full."""


@dataclass(frozen=True)
class ServerSide:
    """How the server names itself and a socket; None where it does not say."""

    run_id: str | None
    client_id: int | None


async def open_socket(
    url: RedisUrl, name: str, previous: ServerSide | None, *, must_be_primary: bool = False
) -> tuple[RedisSocket, ServerSide]:
    """Connect and be let in: AUTH, SELECT, the client's name, and end the `previous` socket.

    A lost socket may still be open at the server, with commands in it that were not read yet.
    Were they executed after their repetition here, old would follow new; so it is closed first.

    Raises:
        ServerRefused: If the password, user or database is refused.
        ServerNotReady: If the server does not serve at the moment, or has to be a primary and
            is none.
        OSError: If it cannot be reached, is no server we trust or hangs up.
    """
    loop = asyncio.get_running_loop()
    queue = CommandQueue(str(url), ConnectionLimits())
    if url.socket_path is not None:
        _, socket = await loop.create_unix_connection(lambda: RedisSocket(queue), url.socket_path)
    else:
        _, socket = await loop.create_connection(
            lambda: RedisSocket(queue), url.host, url.port, ssl=url.tls
        )
    socket.on_lost = lambda problem: queue.fail_all(ConnectionResetError(problem))
    try:
        server_side = await _introduce(socket, url, name, must_be_primary)
        if previous is not None and _same_server(previous, server_side):
            assert previous.client_id is not None
            # "No such client" is the usual and good answer; without the right to end it, the
            # order across a reconnect is as good as the caller's own checks.
            await asyncio.gather(
                socket.ask("CLIENT", "KILL", "ID", previous.client_id), return_exceptions=True
            )
    except BaseException:
        socket.abort("not let in")
        raise
    if not socket.is_open:
        raise ConnectionResetError("it closed the connection")
    return socket, server_side


async def _introduce(
    socket: RedisSocket, url: RedisUrl, name: str, must_be_primary: bool
) -> ServerSide:
    required: list[tuple[Argument, ...]] = []
    if url.password is not None:
        user = () if url.username is None else (url.username,)
        required.append(("AUTH", *user, url.password))
    if url.database:
        required.append(("SELECT", url.database))
    required.append(("PING",))
    if must_be_primary:
        required.append(("ROLE",))
    optional: list[tuple[Argument, ...]] = [
        ("CLIENT", "SETNAME", name),
        ("CLIENT", "ID"),
        ("INFO", "server"),
    ]
    replies = await asyncio.gather(
        *[socket.ask(*parts) for parts in (*required, *optional)], return_exceptions=True
    )
    for parts, reply in zip(required, replies, strict=False):
        if isinstance(reply, CommandFailed):
            _judge_refusal(reply, parts[0], url)
        elif isinstance(reply, BaseException):
            raise reply
        elif parts[0] == "ROLE" and reply[0] != b"master":
            where = f"{url.host}:{url.port}"
            raise ServerNotReady(f"{where} is a {reply[0].decode()}, while a primary is wanted")
    client_id, info = replies[-2:]
    return ServerSide(
        run_id=_run_id(info) if isinstance(info, bytes) else None,
        client_id=client_id if isinstance(client_id, int) else None,
    )


def _judge_refusal(reply: CommandFailed, command: Argument, url: RedisUrl) -> None:
    if reply.code in UNSERVED or "max number of clients" in reply.text:
        raise ServerNotReady(reply.text)
    if command == "PING" and reply.code == "NOPERM":
        return  # a user who may not PING may still do all that is needed
    problem = reply.text
    if command == "AUTH" and reply.code == "ERR":
        # A server that does not know AUTH repeats its arguments, and so does its log.
        problem = "AUTH is not understood, or no password is set there"
    raise ServerRefused(str(url), problem)


def _same_server(previous: ServerSide, now: ServerSide) -> bool:
    """Numbers of clients start anew with a server: the same number may be somebody else's there."""
    return (
        previous.client_id is not None
        and previous.run_id is not None
        and previous.run_id == now.run_id
    )


def _run_id(info: bytes) -> str | None:
    for line in info.splitlines():
        if line.startswith(b"run_id:"):
            return line[7:].decode("ascii", "replace")
    return None
