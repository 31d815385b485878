"""A backend that loses commits, or their answers, when a test says so."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Mapping, Sequence

from parlour.storage.backend import Backend, Batch, Claim, Committed
from parlour.storage.server_errors import ServerUnavailable


class Fault(enum.Enum):
    """What happens to the next commit."""

    NONE = "none"
    REPEATED = "its answer is lost, it is sent again and recognised"
    NOT_SENT = "it never reaches the backend, and patience runs out"
    UNANSWERED = "it is applied, but patience runs out before there is an answer"


class FragileBackend:
    """Passes everything on to `backend`, except for the one commit that `fault` is about."""

    def __init__(self, backend: Backend) -> None:
        self.fault = Fault.NONE
        self._backend = backend

    async def commit(self, batch: Batch) -> Committed:
        fault, self.fault = self.fault, Fault.NONE
        if fault is not Fault.NOT_SENT:
            committed = await self._backend.commit(batch)
        if fault is Fault.REPEATED:
            committed = await self._backend.commit(batch)
        if fault in (Fault.NOT_SENT, Fault.UNANSWERED):
            raise ServerUnavailable("the server", 0, fault.value)
        return committed

    async def claim(
        self, space: str, *, owner: str, address: str, takeover_epoch: int | None = None
    ) -> Claim:
        return await self._backend.claim(
            space, owner=owner, address=address, takeover_epoch=takeover_epoch
        )

    async def release(self, space: str, *, epoch: int) -> None:
        await self._backend.release(space, epoch=epoch)

    async def lease_alive(self, owner: str) -> bool:
        return await self._backend.lease_alive(owner)

    def read_fields(
        self, space: str, wanted: Mapping[int, Sequence[str]]
    ) -> Awaitable[dict[str, bytes | None]]:
        return self._backend.read_fields(space, wanted)

    def read_shards(
        self, space: str, shards: Sequence[int]
    ) -> Awaitable[dict[int, dict[str, bytes]]]:
        return self._backend.read_shards(space, shards)

    def read_shard_keys(self, space: str, shards: Sequence[int]) -> Awaitable[dict[int, list[str]]]:
        return self._backend.read_shard_keys(space, shards)

    async def close(self) -> None:
        await self._backend.close()
