"""What happens after a room actor's process has died: its lease is taken away at once.

A lease runs out by itself after some seconds; but the manager of the same node can see that the
process has ended, and an ended process can say nothing more. Until that is certain, its rooms are
not placed anywhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterable

from ..actors.lease import LEASE_S
from ..actors.messages import RoomKey
from ..actors.network import Address
from ..actors.tasks import Tasks
from ..storage import StorageError
from ..storage.keys import lease_key
from ..storage.redis_cluster import connect
from ..storage.redis_commands import ConnectionLimits
from ..storage.redis_connection import RedisClient

log = logging.getLogger(__name__)

COMMAND_PATIENCE_S = 2.0


class Undertaker:
    """Watches processes and clears the leases of those that ended."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._handles: dict[str, int] = {}  # room actor -> file descriptor of its process
        self._addresses: dict[str, str] = {}
        self._tasks = Tasks("the undertaker")
        self._burials: dict[RoomKey, asyncio.Task[None]] = {}  # of rooms that it had

    def watch(self, actor_id: str, pid: int, address: str) -> None:
        """Hold on to a process, so that its end can be told from another's with the same number."""
        self._addresses[actor_id] = address
        if actor_id in self._handles:
            return  # it has lost its line to us and found it again
        try:
            self._handles[actor_id] = os.pidfd_open(pid)
        except (AttributeError, OSError):  # not Linux, or gone already: the lease will tell
            log.debug("process %d cannot be watched", pid)

    def bury(self, actor_id: str, owner: str, keys: Iterable[RoomKey]) -> None:
        """A room actor is gone or going: clear its lease, `owner`, once its process has ended."""
        task = self._tasks.spawn(self._bury(actor_id, owner))
        for key in keys:
            self._burials[key] = task
        task.add_done_callback(self._forget)

    async def is_lease_gone(self, owner: str) -> bool:
        """Whether a room actor has failed to renew its lease; False if the server cannot tell."""
        try:
            key = lease_key(owner)
            async with self._connected() as server:
                return not await server.execute("EXISTS", key, key=key)
        except StorageError:
            return False

    def kill(self, actor_id: str) -> None:
        """End a room actor's process at once, even one that is stopped."""
        handle = self._handles.get(actor_id)
        if handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)

    def is_burying(self, key: RoomKey) -> bool:
        """Whether the last room actor of this room may still be alive."""
        return key in self._burials

    async def buried(self, key: RoomKey) -> None:
        """Wait until it is not, or its lease must have run out."""
        task = self._burials.get(key)
        if task is not None:
            await asyncio.wait([task])

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[RedisClient]:
        limits = ConnectionLimits(patience_s=COMMAND_PATIENCE_S)
        server = await connect(self._redis_url, limits=limits, name="parlour-manager")
        try:
            yield server
        finally:
            await server.close()

    async def _bury(self, actor_id: str, owner: str) -> None:
        handle = self._handles.pop(actor_id, None)
        address = self._addresses.pop(actor_id, None)
        if handle is None or address is None:
            return
        try:
            async with asyncio.timeout(LEASE_S):
                await readable(handle)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(Address.parse(address).path)  # no process takes its own socket with it
            key = lease_key(owner)
            async with self._connected() as server:
                await server.execute("DEL", key, key=key, repeat=True)
        except (TimeoutError, StorageError) as error:
            log.warning("the lease of room actor %s is left to run out: %r", actor_id, error)
        finally:
            os.close(handle)

    def _forget(self, task: asyncio.Task[None]) -> None:
        for key in [key for key, burial in self._burials.items() if burial is task]:
            del self._burials[key]


async def readable(descriptor: int) -> None:
    """Wait until a file descriptor is readable; for a process, until it has ended."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def on_readable() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, on_readable)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
