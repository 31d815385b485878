"""A Redis Cluster as one server: each command goes to the primary that has its key's slot.

Guarantees. Redirections (MOVED, ASK) are followed, a slot map that aged is read again, and what a
node that left the cluster had not answered goes to its successor if it may be repeated. No caller
waits longer than `limits.patience_s`. Commands of one slot keep their order as long as the slot
stays where it is; a caller that needs more waits for each answer, as flushes of a room do.
Not here: one node's connection (redis_connection.py). All keys of a command are in one slot.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from .redis_commands import Argument, Command, ConnectionLimits, Reply, Script
from .redis_connection import BoundScript, RedisConnection
from .redis_slots import Address, parse_address, parse_slots
from .redis_url import RedisUrl
from .server_errors import (
    CommandFailed,
    ConnectionClosed,
    ConnectionLost,
    ServerError,
    ServerUnavailable,
)

_log = logging.getLogger(__name__)

# Between two tries of a command that the cluster cannot serve for the moment.
RETRY_S = 0.05
# A command sent on more often than this in a row waits a moment first.
REDIRECTIONS_MAX = 5
# Between two looks at what waits and at nodes that cannot be reached.
LOOK_S = 0.25


async def connect(
    url: str | RedisUrl, *, limits: ConnectionLimits | None = None, name: str = "parlour"
) -> RedisConnection | ClusterConnection:
    """Connect to the server at `url`, or to the cluster that it is a node of.

    Raises:
        InvalidServerUrl: If `url` names no server.
        ServerRefused: If it refuses password, user or database.
        ServerUnavailable: If there was no answer within `limits.patience_s`.
    """
    connection = RedisConnection(url, limits=limits, name=name)
    try:
        await connection.connect()
        if b"cluster_enabled:1" not in await connection.execute("INFO", "cluster", repeat=True):
            return connection
        cluster = ClusterConnection(connection)
        await cluster.connect()
    except BaseException:
        await connection.close()
        raise
    return cluster


class _Call:
    """One command of a caller, through all nodes that it may be sent to."""

    __slots__ = ("deadline_s", "parts", "redirections", "repeat", "reply", "script", "slot")

    def __init__(
        self,
        parts: tuple[Argument, ...],
        slot: int,
        reply: Reply,
        deadline_s: float,
        repeat: bool,
        script: Script | None = None,
    ) -> None:
        self.parts = parts
        self.slot = slot
        self.reply = reply
        self.deadline_s = deadline_s
        self.repeat = repeat
        self.script = script
        self.redirections = 0


class ClusterConnection:
    """One connection for each primary, and the map of slots. Made by `connect`."""

    keeps_order: ClassVar[bool] = False

    def __init__(self, seed: RedisConnection) -> None:
        """`seed` is a connection to any node; it is closed with this one."""
        self.url = seed.url
        self.limits = seed.limits
        self._seed = seed
        self._loop = asyncio.get_running_loop()
        self._slots: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._nodes: dict[Address, RedisConnection] = {}
        self._parked: deque[_Call] = deque()  # whose slot has no node that we know
        self._refresh: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def connect(self) -> None:
        """Read the slot map.

        Raises:
            ServerError: If the seed does not give it.
        """
        self._apply(await self._seed.execute("CLUSTER", "SLOTS", repeat=True), self._seed)
        self._look()

    def execute(
        self, *args: Argument, repeat: bool = False, key: bytes | str | None = None
    ) -> Reply:
        """As `RedisConnection.execute`, at the primary of `key`.

        `key` is by default the first argument after the command's name, where nearly all commands
        have it; a command without arguments goes to any primary.
        """
        if key is None and len(args) > 1:
            key = args[1] if isinstance(args[1], bytes | str) else str(args[1])
        return self._call(args, key, repeat)

    def script(self, name_or_text: str) -> BoundScript:
        """As `RedisConnection.script`; it runs where its first key is."""
        return BoundScript(self, Script.named(name_or_text))

    def run_script(
        self, script: Script, keys: Sequence[bytes | str], args: Sequence[Argument], repeat: bool
    ) -> Reply:
        """As `RedisConnection.run_script`."""
        return self._call((len(keys), *keys, *args), keys[0] if keys else None, repeat, script)

    async def primaries(self) -> list[RedisConnection]:
        """A connection to each primary that has slots, after reading the slot map again."""
        await self._read_slots()
        return [self._node(address) for address in {a for a in self._slots if a is not None}]

    async def close(self) -> None:
        """End all connections. Commands without an answer fail with ConnectionClosed."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait([self._refresh])
        for call in self._parked:
            _fail(call, ConnectionClosed(str(self.url)))
        self._parked.clear()
        closings = [node.close() for node in (self._seed, *self._nodes.values())]
        await asyncio.gather(*closings, *self._closing)

    def __repr__(self) -> str:
        return f"<ClusterConnection {self.url} {len(self._nodes)} primaries>"

    def _call(
        self,
        parts: tuple[Argument, ...],
        key: bytes | str | None,
        repeat: bool,
        script: Script | None = None,
    ) -> Reply:
        if key is None:
            slot = next((slot for slot, at in enumerate(self._slots) if at is not None), 0)
        else:
            slot = key_slot(key.encode() if isinstance(key, str) else key)
        deadline_s = self._loop.time() + self.limits.patience_s
        call = _Call(parts, slot, self._loop.create_future(), deadline_s, repeat, script)
        if self._is_closed:
            _fail(call, ConnectionClosed(str(self.url)))
        else:
            self._send(call, self._slots[slot])
        return call.reply

    def _send(self, call: _Call, address: Address | None, *, asking: bool = False) -> None:
        if call.reply.done():
            return
        if address is None:
            self._parked.append(call)
            return
        command = Command(
            call.parts,
            self._loop.create_future(),
            deadline_s=call.deadline_s,
            repeat=call.repeat,
            script=call.script,
            asking=asking,
        )
        answer = self._node(address).submit(command)
        answer.add_done_callback(lambda answer: self._answered(call, address[0], answer))

    def _answered(self, call: _Call, host: str, answer: Reply) -> None:
        error = answer.exception()
        if call.reply.done():
            return
        if error is None:
            call.reply.set_result(answer.result())
        elif self._is_closed or not self._follow(call, host, error):
            call.reply.set_exception(error)

    def _follow(self, call: _Call, host: str, error: BaseException) -> bool:
        """Send the call where `error` of the node at `host` points; False if it is an answer."""
        if isinstance(error, ConnectionLost) and (call.repeat or not error.maybe_executed):
            self._send(call, self._slots[call.slot])  # its node was retired: the map is new
            return True
        if not isinstance(error, CommandFailed) or self._loop.time() >= call.deadline_s:
            return False
        if error.code not in ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"):
            return False
        call.redirections += 1
        if error.code in ("TRYAGAIN", "CLUSTERDOWN") or call.redirections > REDIRECTIONS_MAX:
            # Half moved, a failover, or nodes that do not agree yet: again a little later.
            self._loop.call_later(RETRY_S, self._send_again, call)
        elif error.code == "ASK":
            self._send(call, parse_address(error.text.split()[-1], host), asking=True)
        else:
            self._slots[call.slot] = parse_address(error.text.split()[-1], host)
            self._start_refresh()
            self._send(call, self._slots[call.slot])
        return True

    def _send_again(self, call: _Call) -> None:
        if self._is_closed:
            _fail(call, ConnectionClosed(str(self.url)))
        else:
            call.redirections = 0
            self._start_refresh()
            self._send(call, self._slots[call.slot])

    def _node(self, address: Address) -> RedisConnection:
        node = self._nodes.get(address)
        if node is None:
            node = RedisConnection(self.url.at(*address), limits=self.limits, name=self._seed.name)
            self._nodes[address] = node
        return node

    def _look(self) -> None:
        """Fail what waited too long, and read the map again while a node cannot be reached."""
        now_s = self._loop.time()
        waiting: deque[_Call] = deque()
        for call in self._parked:
            if call.deadline_s <= now_s:
                problem = f"no primary has slot {call.slot}"
                _fail(call, ServerUnavailable(str(self.url), self.limits.patience_s, problem))
            else:
                waiting.append(call)
        self._parked = waiting
        in_trouble = any(n.outstanding and not n.is_connected for n in self._nodes.values())
        if waiting or in_trouble:
            self._start_refresh()
        self._timer = self._loop.call_later(LOOK_S, self._look)

    def _start_refresh(self) -> None:
        if self._refresh is None or self._refresh.done():
            self._refresh = self._loop.create_task(self._try_refresh())

    async def _try_refresh(self) -> None:
        try:
            await self._read_slots()
        except ServerError as error:  # the next look tries again; callers have their deadlines
            _log.warning("cannot read the slot map of %s: %s", self.url, error)

    async def _read_slots(self) -> None:
        """Take the slot map from the first node that gives it, connected ones first."""
        nodes = [*self._nodes.values(), self._seed]
        nodes.sort(key=lambda node: not node.is_connected)
        problem: Exception = ConnectionClosed(str(self.url))
        for node in nodes:
            try:
                async with asyncio.timeout(self.limits.connect_s):
                    reply = await node.execute("CLUSTER", "SLOTS", repeat=True)
            except (ServerError, TimeoutError) as error:
                problem = error
                continue
            self._apply(reply, node)
            return
        raise ServerUnavailable(str(self.url), self.limits.connect_s, str(problem))

    def _apply(self, reply: list[Any], told_by: RedisConnection) -> None:
        """Make `reply` the map, retire nodes that it does not name, send what waited for it."""
        self._slots = parse_slots(reply, told_by.url.host)
        primaries = {address for address in self._slots if address is not None}
        for address in self._nodes.keys() - primaries:
            node = self._nodes.pop(address)
            node.retire("it is no primary of the cluster any more")
            closing = self._loop.create_task(node.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        parked, self._parked = self._parked, deque()
        for call in parked:
            self._send(call, self._slots[call.slot])


def _fail(call: _Call, error: Exception) -> None:
    if not call.reply.done():
        call.reply.set_exception(error)
