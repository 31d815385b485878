"""The places where spaces are kept, for the suites that run against each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from parlour.storage import (
    Backend,
    MemoryBackend,
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageLimits,
)

SPACE = "chat/lobby"

# Few keys make many shards, and a claim brings everything.
WARM = StorageLimits(shard_fields_max=8, shard_bytes_max=4096)
# Nothing is kept that could be read again: every read of what is durable asks the backend.
COLD = StorageLimits(
    shard_fields_max=8, shard_bytes_max=4096, claim_bytes_max=-1, cache_bytes_max=0
)


@dataclass
class Place:
    """A backend, and how the owners in a test use it."""

    backend: Backend
    limits: StorageLimits
    opened: list[OwnedStorage] = field(default_factory=list)

    async def open(
        self, *, owner: str = "owner", takeover_epoch: int | None = None, **options: object
    ) -> OwnedStorage:
        """Claim the space and open its storage."""
        claim = await self.backend.claim(
            SPACE, owner=owner, address=f"{owner}.sock", takeover_epoch=takeover_epoch
        )
        storage = OwnedStorage(self.backend, claim, limits=self.limits, **options)  # type: ignore[arg-type]
        self.opened.append(storage)
        return storage

    async def reopen(self, storage: OwnedStorage) -> OwnedStorage:
        """Open the space anew from what is durable once everything written is."""
        await storage.sync()
        return await self.open()


BackendMaker = Callable[[StorageLimits], Backend]


@pytest.fixture(params=["memory", "valkey", "redis"])
async def make_backend(request: pytest.FixtureRequest) -> AsyncIterator[BackendMaker]:
    """Makes backends over memory, a real Valkey and a real Redis, which are empty at first."""
    made: list[Backend] = []

    def make(limits: StorageLimits) -> Backend:
        if request.param == "memory":
            made.append(MemoryBackend(limits=limits))
        else:
            url: str = request.getfixturevalue(f"{request.param}_url")
            made.append(RedisBackend(RedisConnection(url), limits=limits))
        return made[-1]

    yield make
    for backend in made:
        await backend.close()


@pytest.fixture(params=[WARM, COLD], ids=["warm", "cold"])
async def place(request: pytest.FixtureRequest, make_backend: BackendMaker) -> AsyncIterator[Place]:
    """An empty backend of each kind, with a cache that keeps all and one that keeps nothing."""
    place = Place(make_backend(request.param), request.param)
    yield place
    for storage in place.opened:
        storage.abandon()


@pytest.fixture
async def storage(place: Place) -> OwnedStorage:
    """An empty space."""
    return await place.open()
