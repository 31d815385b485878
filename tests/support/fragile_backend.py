"""A backend that is slow to answer, or loses commits or their answers, when a test says so."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from parlour.storage.backend import Backend, Batch, Claim, Committed, Home
from parlour.storage.server_errors import ServerUnavailable

T = TypeVar("T")


class Fault(enum.Enum):
    """What happens to the next commit."""

    NONE = "none"
    REPEATED = "its answer is lost, it is sent again and recognised"
    NOT_SENT = "it never reaches the backend, and patience runs out"
    UNANSWERED = "it is applied, but patience runs out before there is an answer"


@dataclass(frozen=True)
class Delays:
    """Turns of the event loop that something takes longer than it would."""

    commit: int = 0  # until a commit is sent
    commit_answer: int = 0  # until the answer to a commit is known
    read_answer: int = 0  # until the answer to a read, which was asked at its call, is known


class FragileBackend:
    """Passes everything on to `backend`, except for the one commit that `fault` is about."""

    def __init__(self, backend: Backend) -> None:
        self.fault = Fault.NONE
        self.delays = Delays()
        self._backend = backend

    async def commit(self, batch: Batch) -> Committed:
        fault, self.fault = self.fault, Fault.NONE
        await turns(self.delays.commit)
        if fault is not Fault.NOT_SENT:
            committed = await self._backend.commit(batch)
        if fault is Fault.REPEATED:
            committed = await self._backend.commit(batch)
        await turns(self.delays.commit_answer)
        if fault in (Fault.NOT_SENT, Fault.UNANSWERED):
            raise ServerUnavailable("the server", 0, fault.value)
        return committed

    async def claim(
        self, space: str, *, owner: str, address: str, takeover_epoch: int | None = None
    ) -> Claim:
        return await self._backend.claim(
            space, owner=owner, address=address, takeover_epoch=takeover_epoch
        )

    async def reclaim(self, space: str, *, owner: str, epoch: int, new_owner: str) -> int:
        return await self._backend.reclaim(space, owner=owner, epoch=epoch, new_owner=new_owner)

    async def release(self, space: str, *, owner: str, epoch: int) -> None:
        await self._backend.release(space, owner=owner, epoch=epoch)

    async def lease_alive(self, owner: str) -> bool:
        return await self._backend.lease_alive(owner)

    def read_fields(
        self, space: str, wanted: Mapping[Home, Sequence[str]]
    ) -> Awaitable[dict[str, bytes | None]]:
        return _Late(self._backend.read_fields(space, wanted), self.delays.read_answer)

    def read_shards(
        self, space: str, shards: Sequence[Home]
    ) -> Awaitable[dict[int, dict[str, bytes]]]:
        return _Late(self._backend.read_shards(space, shards), self.delays.read_answer)

    def read_shard_keys(
        self, space: str, shards: Sequence[Home]
    ) -> Awaitable[dict[int, list[str]]]:
        return _Late(self._backend.read_shard_keys(space, shards), self.delays.read_answer)

    async def close(self) -> None:
        await self._backend.close()


async def turns(count: int) -> None:
    """Let the event loop turn so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


class _Late(Awaitable[T]):
    """An answer that is known some turns of the loop after it is there."""

    def __init__(self, answer: Awaitable[T], late: int) -> None:
        self._answer = answer
        self._late = late

    def __await__(self) -> Generator[Any, None, T]:
        answer = yield from self._answer.__await__()
        yield from turns(self._late).__await__()
        return answer
