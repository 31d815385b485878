"""The directory: which room actor has a room, as its claim in Redis tells. A hint, not a right.

A gateway of a cluster asks it before it has a room woken on its own node: the room may be live on
another. What it says may be outdated a moment later; the claim decides then, and the gateway asks
again. It also keeps the gateway's lease, by which rooms tell whether to wait for it (`summons.py`).
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ..actors.messages import RoomKey
from ..actors.network import Address
from ..storage import StorageError
from ..storage.keys import ADDRESS, OWNER, lease_key, metadata_key
from ..storage.redis_cluster import connect
from ..storage.redis_commands import ConnectionLimits
from ..storage.redis_connection import RedisClient

PATIENCE_S = 2.0  # for an answer; whoever asks tries again


class Holder(NamedTuple):
    """The process that has a room: the name of its lease, and where it accepts links."""

    owner: str
    address: str


class Directory:
    """Looks rooms up. One connection, opened with the first question."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._server: RedisClient | None = None
        self._connecting = asyncio.Lock()

    async def find(self, key: RoomKey) -> Holder | None:
        """Who has the room and is alive; None if nobody is.

        Raises:
            OSError: If the server does not answer in `PATIENCE_S`, or with what is no address.
        """
        try:
            # Over all of it: who waits for another's attempt to connect has waited, too.
            async with asyncio.timeout(PATIENCE_S):
                return await self._find(key)
        except (StorageError, ValueError) as error:
            raise OSError(f"the directory cannot be read: {error}") from error

    async def renew_lease(self, owner: str, address: str, for_s: float) -> None:
        """Say that a process is alive for so long from now.

        Raises:
            OSError: As `find`.
        """
        await self._execute("SET", lease_key(owner), address, "PX", round(for_s * 1000))

    async def end_lease(self, owner: str) -> None:
        """Say that it is not any more.

        Raises:
            OSError: As `find`.
        """
        await self._execute("DEL", lease_key(owner))

    async def _execute(self, command: str, name: str, *arguments: str | int) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                server = await self._connected()
                await server.execute(command, name, *arguments, key=name, repeat=True)
        except StorageError as error:
            raise OSError(f"the server cannot be told: {error}") from error

    async def _find(self, key: RoomKey) -> Holder | None:
        server, name = await self._connected(), metadata_key(key.space)
        owner, address = await server.execute("HMGET", name, OWNER, ADDRESS, key=name, repeat=True)
        if not owner or not address:
            return None
        holder = Holder(owner.decode(), str(Address.parse(address.decode())))
        lease = lease_key(holder.owner)
        alive = await server.execute("EXISTS", lease, key=lease, repeat=True)
        return holder if alive else None

    async def _connected(self) -> RedisClient:
        async with self._connecting:
            if self._server is None:
                limits = ConnectionLimits(patience_s=PATIENCE_S)
                self._server = await connect(
                    self._redis_url, limits=limits, name="parlour-directory"
                )
            return self._server

    async def close(self) -> None:
        """Give up the connection."""
        if self._server is not None:
            await self._server.close()
