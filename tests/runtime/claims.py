"""Claims of room actors that are elsewhere: as they stand in Redis, by the real storage."""

from __future__ import annotations

from typing import Self

from parlour.actors.messages import RoomKey
from parlour.storage import RedisBackend
from parlour.storage.keys import lease_key
from parlour.storage.opening import open_backend
from redis.asyncio import Redis


class Claims:
    """What processes of other nodes have written."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._epochs: dict[RoomKey, int] = {}
        self._owners: dict[RoomKey, str] = {}
        self._backend: RedisBackend
        self._server: Redis

    async def __aenter__(self) -> Self:
        self._backend = await open_backend(self._redis_url)
        self._server = Redis.from_url(self._redis_url)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._backend.close()
        await self._server.aclose()

    async def hold(self, key: RoomKey, owner: str, address: str, *, takeover: bool = False) -> None:
        """`owner` takes its lease and claims the room."""
        await self._server.set(lease_key(owner), address, px=60_000)
        epoch = self._epochs.get(key) if takeover else None
        claim = await self._backend.claim(
            key.space, owner=owner, address=address, takeover_epoch=epoch
        )
        self._epochs[key], self._owners[key] = claim.epoch, owner

    async def release(self, key: RoomKey) -> None:
        """The room leaves in good order."""
        await self._backend.release(key.space, owner=self._owners[key], epoch=self._epochs[key])

    async def die(self, owner: str) -> None:
        """Its lease runs out."""
        await self._server.delete(lease_key(owner))
