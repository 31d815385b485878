"""The storage of one room, as the room sees it: `self.storage`.

Guarantees. A read sees every earlier write. Writes without an await between them are applied
whole or not at all, and in order. `sync` tells when they are durable. After a flush that failed
for good nothing lands any more and every call raises.
Not here: what only the owner of a space may do (owned_storage.py).
"""

from __future__ import annotations

from typing import NamedTuple

from .operations import Operations
from .transaction import Transaction, innermost
from .transaction_errors import TransactionOpen
from .view import View


class StorageSize(NamedTuple):
    """How much a room stores; a large value counts as one key per piece and one more."""

    keys: int
    size_bytes: int


class Storage(Operations):
    """The storage of one room. In the event loop of the room, not thread-safe."""

    def __repr__(self) -> str:
        space = self._space
        flusher = space.flusher
        return (
            f"<Storage {space.name!r}: {space.index.key_count} keys, "
            f"flush {flusher.durable} durable, gate {flusher.gate}, {space.cache!r}>"
        )

    def transaction(self) -> Transaction:
        """Start a transaction: `async with storage.transaction() as txn:`. See `Transaction`."""
        self._space.flusher.check_usable()
        return Transaction(self._space, None)

    async def sync(self) -> None:
        """Wait until everything written so far is durable.

        Raises:
            StorageReset: If that failed; `NotOwner` if another owner has taken over.
            TransactionOpen: Inside a transaction, whose writes are made at its end.
        """
        self._check_outside("sync")
        await self._space.flusher.sync()

    async def size(self) -> StorageSize:
        """Tell the number of keys and the bytes of keys and encoded values, after a `sync`.

        Raises:
            StorageReset, TransactionOpen: As in `sync`.
        """
        self._check_outside("size")
        await self._space.flusher.sync()
        self._space.flusher.check_usable()
        return StorageSize(self._space.index.key_count, self._space.index.size_bytes)

    def _check_outside(self, operation: str) -> None:
        if self._space.turns.taken and innermost(self._space) is not None:
            raise TransactionOpen(operation)

    def _view(self, operation: str) -> View:
        space = self._space
        space.flusher.check_usable()
        if space.turns.taken:
            transaction = innermost(space)
            if transaction is not None:
                return transaction._view(operation)
        return space
