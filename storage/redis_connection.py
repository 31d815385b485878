"""One pipelined connection to a server, kept open: the way all rooms of a process reach Redis.

Guarantees. All commands of a loop turn are one write; replies come in order. A lost connection is
opened again, with growing waits; commands that may be repeated are sent again in their original
order, before everything newer. No caller waits longer than `limits.patience_s`.
A repeated command may have run before: only what notices that by itself, as numbered flushes do,
should be given `repeat=True`.
Not here: several servers (redis_cluster.py), what a command means to storage (redis_backend.py).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import ClassVar, Protocol

from .redis_commands import Argument, Command, CommandQueue, ConnectionLimits, Reply, Script
from .redis_socket import RedisSocket, ServerNotReady, ServerSide, open_socket
from .redis_url import RedisUrl
from .sentinel_url import Address, show
from .sentinels import LOOK_S, SentinelGroup
from .server_errors import ConnectionClosed, ServerRefused

_log = logging.getLogger(__name__)


class RedisClient(Protocol):
    """What a single server and a cluster have in common.

    Attributes:
        keeps_order: Commands take effect in the order of the calls, whatever their keys.
    """

    keeps_order: ClassVar[bool]

    def execute(
        self, *args: Argument, repeat: bool = False, key: bytes | str | None = None
    ) -> Reply: ...

    def script(self, name_or_text: str) -> BoundScript: ...

    async def close(self) -> None: ...


class ScriptRunner(Protocol):
    def run_script(
        self, script: Script, keys: Sequence[bytes | str], args: Sequence[Argument], repeat: bool
    ) -> Reply: ...


class BoundScript:
    """A script on a connection: call it with its keys and arguments."""

    __slots__ = ("_runner", "_script")

    def __init__(self, runner: ScriptRunner, script: Script) -> None:
        self._runner = runner
        self._script = script

    def __call__(
        self,
        keys: Sequence[bytes | str],
        args: Sequence[Argument] = (),
        *,
        repeat: bool = False,
    ) -> Reply:
        """Run it; see `RedisConnection.execute` for the answer and for `repeat`."""
        return self._runner.run_script(self._script, keys, args, repeat)


class RedisConnection:
    """A connection in the running event loop; opened by `connect` or by the first command."""

    keeps_order: ClassVar[bool] = True
    reconnects: ClassVar[int] = 0  # of all connections of this process: a number for operators

    def __init__(
        self, url: str | RedisUrl, *, limits: ConnectionLimits | None = None, name: str = "parlour"
    ) -> None:
        """`name` is shown by the server's CLIENT LIST.

        Raises:
            InvalidServerUrl: If `url` names no server.
        """
        self.url = RedisUrl.parse(url) if isinstance(url, str) else url
        self.limits = limits or ConnectionLimits()
        self.name = name
        self._loop = asyncio.get_running_loop()
        self._queue = CommandQueue(str(self.url), self.limits)
        self._socket: RedisSocket | None = None
        self._server_side: ServerSide | None = None
        self._sentinels = SentinelGroup(self.url, name) if self.url.sentinels else None
        self._problem = "not connected yet"
        self._is_closed = False
        self._write_scheduled = False
        self._keeper: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_connected(self) -> bool:
        """Whether commands are being sent right now, rather than waiting for a reconnect."""
        return self._socket is not None

    @property
    def outstanding(self) -> int:
        """Commands that have no answer yet."""
        return len(self._queue)

    async def connect(self) -> None:
        """Return once the server has let us in and answered.

        Raises:
            ServerRefused: If it refuses password, user or database.
            ServerUnavailable: If there was no answer within `limits.patience_s`.
        """
        await self.execute("PING", repeat=True)

    def execute(
        self, *args: Argument, repeat: bool = False, key: bytes | str | None = None
    ) -> Reply:
        """Send a command with everything else of this loop turn; the future of its reply.

        `repeat=True` sends it again if the connection is lost before the answer; otherwise it
        fails then. `key` is for clusters and ignored here. A cancelled command that was not
        written yet is not sent; one that was is not undone. Commands that block (BLPOP, WAIT)
        hold up all that follow: they need a connection of their own.

        The future raises:
            CommandFailed: If the server answers with an error.
            ConnectionLost: If the answer was lost and the command may not be repeated.
            ServerUnavailable: If there was no answer within `limits.patience_s`.
            ConnectionOverloaded: If a limit of the connection is reached.
            ConnectionClosed: If the connection was closed.
        """
        return self.submit(Command(args, self._loop.create_future(), repeat=repeat))

    def script(self, name_or_text: str) -> BoundScript:
        """A Lua script by its name in `storage/scripts`, or by its text, ready to be called."""
        return BoundScript(self, Script.named(name_or_text))

    def run_script(
        self, script: Script, keys: Sequence[bytes | str], args: Sequence[Argument], repeat: bool
    ) -> Reply:
        """Run `script`, loading it where the server does not know it; as `execute`."""
        parts = (len(keys), *keys, *args)
        return self.submit(Command(parts, self._loop.create_future(), repeat=repeat, script=script))

    def submit(self, command: Command) -> Reply:
        """Queue `command`; gives it a deadline if it has none."""
        if self._is_closed:
            command.reply.set_exception(ConnectionClosed(str(self.url)))
            return command.reply
        command.deadline_s = min(command.deadline_s, self._loop.time() + self.limits.patience_s)
        if self._queue.add(command):
            if self._keeper is None:
                self._start()
            elif not self._write_scheduled and self._socket is not None:
                self._write_scheduled = True
                self._loop.call_soon(self._write)
        return command.reply

    def retire(self, problem: str) -> None:
        """Fail every outstanding command with ConnectionLost, saying whether it may have run."""
        self._queue.retire(problem)
        if self._socket is not None:
            self._socket.abort(problem)

    async def close(self) -> None:
        """End the connection. Commands without an answer fail with ConnectionClosed."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._queue.fail_all(ConnectionClosed(str(self.url)))
        if self._socket is not None:
            self._socket.abort("closed by us")
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._sentinels is not None:
            await self._sentinels.close()

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "connected" if self._socket else self._problem
        return f"<RedisConnection {self.url} {state}, {len(self._queue)} outstanding>"

    def _start(self) -> None:
        self._keeper = self._loop.create_task(self._keep(), name=f"connection to {self.url}")
        self._tick()

    def _write(self) -> None:
        self._write_scheduled = False
        if self._socket is not None:
            self._socket.write()

    async def _keep(self) -> None:
        """Connect, wait for the loss, wait a little, and again."""
        limits = self.limits
        attempts = 0
        while True:
            lost = self._loop.create_future()
            try:
                async with asyncio.timeout(limits.connect_s):
                    socket, side, address = await self._open()
            except (OSError, ServerNotReady, ServerRefused) as error:  # TimeoutError is an OSError
                self._note_failed_attempt(error, attempts)
            else:
                self._attach(socket, side, lost, address)
                if self._sentinels is not None and address is not None:
                    await self._follow_sentinels(self._sentinels, socket, address, lost)
                await lost
                attempts = 0 if socket.served else attempts
            await asyncio.sleep(wait_s(attempts, limits, random.random()))
            attempts += 1

    async def _open(self) -> tuple[RedisSocket, ServerSide, Address | None]:
        if self._sentinels is not None:
            return await self._sentinels.open_primary(self._server_side)
        return *await open_socket(self.url, self.name, self._server_side), None

    async def _follow_sentinels(
        self,
        group: SentinelGroup,
        socket: RedisSocket,
        address: Address,
        lost: asyncio.Future[None],
    ) -> None:
        """Give the primary up when another one is named: it may not know that yet, and take writes.

        Sentinels that do not answer are no reason to.
        """
        while not (await asyncio.wait([lost], timeout=LOOK_S))[0]:
            try:
                now_at = await group.find_primary()
            except (ServerNotReady, ServerRefused):
                continue
            if now_at != address:
                socket.abort(f"its Sentinels name {show(now_at)} and no more {show(address)}")

    def _attach(
        self,
        socket: RedisSocket,
        side: ServerSide,
        lost: asyncio.Future[None],
        address: Address | None,
    ) -> None:
        def on_lost(problem: str) -> None:
            self._socket = None
            self._problem = problem
            self._queue.lost(problem)
            if not lost.done():
                lost.set_result(None)
            if not self._is_closed:
                _log.warning("lost %s: %s; %d commands wait", self.url, problem, len(self._queue))

        if self._server_side is not None:
            RedisConnection.reconnects += 1
            where = f", at {show(address)}" if address is not None else ""
            _log.info("connected to %s again%s", self.url, where)
        self._server_side = side
        socket.queue = self._queue
        socket.on_lost = on_lost
        socket.served = False
        self._socket = socket
        socket.write()

    def _note_failed_attempt(self, error: Exception, attempts: int) -> None:
        self._problem = str(error) or f"no connection within {self.limits.connect_s:g} s"
        if isinstance(error, ServerRefused) and self._server_side is None:
            # Never let in so far: that is a wrong setting, and waiting will not mend it.
            self._queue.fail_all(error)
        if attempts == 0:  # once an outage, not once an attempt
            _log.warning("cannot connect to %s: %s; trying on", self.url, self._problem)

    def _tick(self) -> None:
        """Look after everything that depends on time."""
        limits = self.limits
        now_s = self._loop.time()
        socket = self._socket
        waits_for = "it does not answer" if socket is not None else self._problem
        self._queue.expire(now_s, limits.patience_s, waits_for)
        if socket is not None:
            quiet_s = socket.quiet_s(now_s)
            if self._queue.in_flight and quiet_s > limits.silence_s:
                socket.abort(f"it has been silent for {quiet_s:.1f} s")
            elif not self._queue.in_flight and quiet_s > limits.idle_s:
                socket.ping()
        shortest_s = min(limits.patience_s, limits.silence_s, limits.idle_s)
        self._timer = self._loop.call_later(min(shortest_s / 4, 0.5), self._tick)


def wait_s(attempts: int, limits: ConnectionLimits, chance: float) -> float:
    """How long to wait before the next attempt: doubling, bounded, spread by `chance` (0 to 1)."""
    longest_s = min(limits.backoff_s_max, limits.backoff_s_min * 2.0 ** min(attempts, 30))
    return longest_s * (0.5 + chance / 2)
