"""The commands of one connection, in their order, and what becomes of them. No I/O.

A command is *waiting*, then *in flight* (written to a socket), then answered. Guarantees.
Replies go to commands in the order of writing. When a socket is lost, what was in flight and may be
repeated goes back to the front of what waits, in the original order; what may not be repeated
fails. Every command is answered, failed or, past its deadline, expired: none is forgotten.
Not here: sockets (redis_socket.py), when to reconnect (redis_connection.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import hiredis

from .server_errors import CommandFailed, ConnectionLost, ConnectionOverloaded, ServerUnavailable

Argument = bytes | str | int
Reply = asyncio.Future[Any]

# Its stub asks for a tuple of exactly one part.
pack: Callable[[tuple[Argument, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]

# Error replies that say: not executed, and this server cannot do it now.
UNSERVED = frozenset({"BUSY", "LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS"})


@dataclass(frozen=True)
class ConnectionLimits:
    """Bounds of one connection; times in seconds.

    Attributes:
        patience_s: A command without an answer for this long fails, whatever the reason.
        silence_s: A server that owes answers and sends nothing for this long counts as lost.
        idle_s: A connection unused for this long is tried with a PING.
        connect_s: One attempt to connect and be let in.
        backoff_s_min: Wait before the second attempt; doubles from attempt to attempt.
        backoff_s_max: The longest wait between attempts; each wait is drawn from its upper half.
        commands_max: Commands waiting or in flight.
        buffered_bytes_max: Bytes of those commands.
    """

    patience_s: float = 30.0
    silence_s: float = 5.0
    idle_s: float = 10.0
    connect_s: float = 5.0
    backoff_s_min: float = 0.02
    backoff_s_max: float = 1.0
    commands_max: int = 100_000
    buffered_bytes_max: int = 256 * 1024 * 1024


_PART = re.compile(r"^-- Here goes (\w+)\.lua.*$", re.MULTILINE)


def _lua(name: str) -> str:
    return files(__package__).joinpath("scripts", f"{name}.lua").read_text("utf-8")


class Script:
    """A Lua script and the digest by which the server knows it."""

    __slots__ = ("load", "sha1", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self.load: bytes = pack(("SCRIPT", "LOAD", text))

    @classmethod
    def named(cls, name_or_text: str) -> Script:
        """The script of that name in `storage/scripts`, or the text itself if it is no name.

        A line `-- Here goes NAME.lua` of it is replaced by that file: the server knows one text,
        and counts lines in that.
        """
        if not name_or_text.isidentifier():
            return cls(name_or_text)
        return cls(_PART.sub(lambda line: _lua(line[1]), _lua(name_or_text)))


class Command:
    """One command: its bytes, its future, and whether it may reach the server twice."""

    __slots__ = ("asking", "deadline_s", "packed", "parts", "repeat", "reply", "script")

    def __init__(
        self,
        parts: tuple[Argument, ...],
        reply: Reply,
        *,
        deadline_s: float = float("inf"),
        repeat: bool = False,
        script: Script | None = None,
        asking: bool = False,
    ) -> None:
        """`parts` of a script's command are what follows its digest: number of keys, keys, rest."""
        self.parts = parts
        self.reply = reply
        self.deadline_s = deadline_s
        self.repeat = repeat
        self.script = script
        self.asking = asking
        self.packed: bytes = pack(("EVALSHA", script.sha1, *parts) if script is not None else parts)

    def send_text(self) -> None:
        """Send the script's text next time: the server did not know its digest."""
        assert self.script is not None
        self.packed = pack(("EVAL", self.script.text, *self.parts))
        self.script = None  # a NOSCRIPT after this is the script's own, and an answer


class CommandQueue:
    """What one connection has been given and has not answered."""

    def __init__(self, server: str, limits: ConnectionLimits) -> None:
        self.server = server
        self.waiting: deque[Command] = deque()
        self.in_flight: deque[Command | None] = deque()  # None: a reply that nobody waits for
        self._unserved: list[Command] = []
        self._limits = limits
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        """Commands that have no answer yet."""
        return self._count

    def add(self, command: Command) -> bool:
        """Put a command last. False, with the command failed, if a limit is reached."""
        limits = self._limits
        size_bytes = len(command.packed)
        if self._count >= limits.commands_max:
            overload = ("commands", self._count + 1, limits.commands_max)
        elif self._bytes + size_bytes > limits.buffered_bytes_max:
            overload = ("bytes", self._bytes + size_bytes, limits.buffered_bytes_max)
        else:
            self._count += 1
            self._bytes += size_bytes
            self.waiting.append(command)
            return True
        command.reply.set_exception(ConnectionOverloaded(self.server, *overload))
        return False

    def take(self, known_scripts: set[str]) -> list[bytes]:
        """Move everything that waits into flight; the bytes to write.

        A script's first use on a socket (`known_scripts`, extended here) is preceded by SCRIPT
        LOAD: thus a digest is never sent to a server that could not know it, and order is kept.
        """
        chunks: list[bytes] = []
        while self.waiting:
            command = self.waiting.popleft()
            if command.reply.done():  # cancelled, or expired, before it was ever written
                self._forget(command)
                continue
            script = command.script
            if script is not None and script.sha1 not in known_scripts:
                # Its answer is nobody's: if loading is refused, the digest's own answer says so.
                known_scripts.add(script.sha1)
                chunks.append(script.load)
                self.in_flight.append(None)
            if command.asking:
                chunks.append(_ASKING)
                self.in_flight.append(None)
            chunks.append(command.packed)
            self.in_flight.append(command)
        return chunks

    def settle(self, reply: object) -> str | None:
        """Give `reply` to the oldest command in flight.

        An error that means "not executed, ask again" keeps the command instead: its code is
        returned, and `requeue` puts such commands back once nothing is in flight any more.

        Raises:
            IndexError: If nothing is in flight: the server said something unasked.
        """
        command = self.in_flight.popleft()
        if command is None:
            return None
        if isinstance(reply, CommandFailed):
            if reply.code in UNSERVED or (reply.code == "NOSCRIPT" and command.script is not None):
                self._unserved.append(command)
                if reply.code == "NOSCRIPT":
                    self._resize(command)
                return reply.code
            if not command.reply.done():
                command.reply.set_exception(reply)
        elif not command.reply.done():
            command.reply.set_result(reply)
        self._forget(command)
        return None

    def requeue(self) -> None:
        """Put the commands that the server did not execute before everything that waits."""
        self.waiting.extendleft(reversed(self._unserved))
        self._unserved.clear()

    def lost(self, problem: str) -> None:
        """The socket is gone: repeat what may be repeated, in order, and fail the rest."""
        repeated: list[Command] = list(self._unserved)
        self._unserved.clear()
        for command in self.in_flight:
            if command is None:
                continue
            if command.repeat and not command.reply.done():
                repeated.append(command)
            else:
                self._fail(command, ConnectionLost(self.server, problem))
        self.in_flight.clear()
        self.waiting.extendleft(reversed(repeated))

    def expire(self, now_s: float, patience_s: float, problem: str) -> None:
        """Fail what is past its deadline. What is in flight keeps its place: its reply may come."""
        error: ServerUnavailable | None = None
        for command in self._outstanding():
            if command.deadline_s <= now_s and not command.reply.done():
                error = error or ServerUnavailable(self.server, patience_s, problem)
                command.reply.set_exception(error)
        self._drop_done()

    def fail_all(self, error: Exception) -> None:
        """Answer everything with `error`."""
        for command in list(self._outstanding()):
            self._fail(command, error)
        self._clear()

    def retire(self, problem: str) -> None:
        """Fail everything, each command saying whether the server may have seen it."""
        in_flight = {id(command) for command in self.in_flight}
        for command in list(self._outstanding()):
            # One that waits to be repeated was in flight on an earlier socket.
            maybe_executed = command.repeat or id(command) in in_flight
            self._fail(command, ConnectionLost(self.server, problem, maybe_executed))
        self._clear()

    def _outstanding(self) -> Iterable[Command]:
        yield from self._unserved
        yield from (command for command in self.in_flight if command is not None)
        yield from self.waiting

    def _drop_done(self) -> None:
        if any(command.reply.done() for command in self.waiting):
            for command in self.waiting:
                if command.reply.done():
                    self._forget(command)
            self.waiting = deque(c for c in self.waiting if not c.reply.done())

    def _clear(self) -> None:
        self._unserved.clear()
        self.in_flight.clear()
        self.waiting.clear()

    def _fail(self, command: Command, error: Exception) -> None:
        if not command.reply.done():
            command.reply.set_exception(error)
        self._forget(command)

    def _forget(self, command: Command) -> None:
        self._count -= 1
        self._bytes -= len(command.packed)

    def _resize(self, command: Command) -> None:
        self._bytes -= len(command.packed)
        command.send_text()
        self._bytes += len(command.packed)


_ASKING: bytes = pack(("ASKING",))
