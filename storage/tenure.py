"""Under which name and epoch a space is held, and how it goes on under another between flushes.

Guarantees. A space that somebody else has, or has had, meanwhile is not gone on with: the storage
ends. `release` gives back whatever the server may have granted, a claim without an answer included.
Not here: when no flush is on the wire, which is when `move_on` may be called (flush.py).
"""

from __future__ import annotations

import asyncio

from .backend import Backend, Batch, Claim
from .claim_errors import FlushMissing


class Tenure:
    """The claim on one space, as its flushes are made by right of it.

    Attributes:
        space: Which.
        next_owner: The name under which to go on, if it was asked for and not done yet.
    """

    def __init__(self, backend: Backend, claim: Claim) -> None:
        self.space = claim.space
        self.next_owner: str | None = None
        self._backend = backend
        self._owner, self._epoch = claim.owner, claim.epoch
        self._settled: asyncio.Future[None] | None = None  # resolved when it was done, or is over

    def __repr__(self) -> str:
        return f"<Tenure of {self.space!r} by {self._owner!r}, epoch {self._epoch}>"

    def batch(self) -> Batch:
        """A batch of this owner's with nothing in it."""
        return Batch(self.space, self._owner, self._epoch, flush_number=0)

    def ask(self, owner: str) -> asyncio.Future[None]:
        """Ask to go on as `owner`; what is returned is resolved when that is done, or the end."""
        self.next_owner = owner
        if self._settled is None:
            self._settled = asyncio.get_running_loop().create_future()
        return self._settled

    async def move_on(self, last_flush: int) -> None:
        """Claim it anew under `next_owner`, which may be another by the time that is granted.

        Raises:
            NotOwner: If somebody else has, or has had, the space.
            FlushMissing: If the server's last flush is before `last_flush`.
        """
        owner = self.next_owner
        assert owner is not None
        found = await self._backend.reclaim(
            self.space, owner=self._owner, epoch=self._epoch, new_owner=owner
        )
        self._owner, self._epoch = owner, self._epoch + 1
        if self.next_owner == owner:
            self.next_owner = None
        if found < last_flush:
            raise FlushMissing(self.space, last_flush + 1, found)
        if self.next_owner is None:
            self.settle()

    def settle(self) -> None:
        """Let go on who has asked: it is done, or will never be."""
        settled, self._settled = self._settled, None
        if settled is not None and not settled.done():
            settled.set_result(None)

    async def release(self) -> None:
        """Give the claim back. Does nothing if it is not ours any more."""
        await self._backend.release(self.space, owner=self._owner, epoch=self._epoch)
        if self.next_owner is not None:  # whose claim may have been granted without an answer
            await self._backend.release(self.space, owner=self.next_owner, epoch=self._epoch + 1)
