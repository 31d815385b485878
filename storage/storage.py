"""The storage of one room: what it sees as `self.storage`, and what its room actor watches.

Guarantees. A read sees every earlier write. Writes without an await between them are applied
whole or not at all, and in order. `sync`, and the numbers `gate` and `durable`, tell what is
durable. After a flush that failed for good nothing lands any more and every call raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .admission import checked_encoded
from .backend import Backend, Claim
from .errors import NotOwner, StorageError
from .large_values import write_large
from .limits import StorageLimits
from .operations import Operations
from .space import Space
from .transaction import Transaction, innermost
from .transaction_errors import TransactionOpen
from .view import View


class StorageSize(NamedTuple):
    """How much a room stores; a large value counts as one key per piece and one more."""

    keys: int
    size_bytes: int


class Storage(Operations):
    """The storage of one room, by right of a claim. In the running event loop, not thread-safe."""

    def __init__(
        self,
        backend: Backend,
        claim: Claim,
        *,
        limits: StorageLimits | None = None,
        progress: Callable[[], Mapping[str, int]] | None = None,
        holders: Callable[[], Mapping[str, str]] | None = None,
        on_durable: Callable[[], None] | None = None,
        on_failed: Callable[[StorageError], None] | None = None,
        on_alarms: Callable[[], None] | None = None,
        on_flushed: Callable[[float], None] | None = None,
    ) -> None:
        """Take over a claimed space.

        `progress` is called when a flush is sealed, and what it returns is recorded with it
        (gateway id -> event number; a negative number forgets the gateway), and likewise what has
        changed since with the `holders` of connections (gateway id -> address, or "" to forget
        one). `on_durable` is
        called whenever `durable` grew, `on_failed` once, when a flush has failed for good,
        `on_alarms` when an alarm was set or deleted, for a transaction at its end, `on_flushed`
        after each flush with the seconds that the server took.
        """
        super().__init__(
            Space(
                backend,
                claim,
                limits or StorageLimits(),
                progress=progress,
                holders=holders,
                on_durable=on_durable,
                on_failed=on_failed,
            )
        )
        self._space.flusher.on_alarms = on_alarms
        self._space.flusher.on_flushed = on_flushed
        self._transactions_open = 0
        self._one_transaction = asyncio.Lock()

    def __repr__(self) -> str:
        space = self._space
        return (
            f"<Storage {space.name!r}: {space.index.key_count} keys, flush {self.durable} durable, "
            f"gate {self.gate}, {space.cache!r}>"
        )

    # For the room

    def transaction(self) -> Transaction:
        """Start a transaction: `async with storage.transaction() as txn:`. See `Transaction`."""
        self._space.flusher.check_usable()
        return Transaction(self, None)

    def put_encoded(self, key: str, data: bytes, *, is_large: bool) -> None:
        """Store bytes that `encode` has made, as `put` or `put_large` store a value: for imports.

        Raises:
            DecodeError: If they are anything else; names the key.
            KeyTooLarge, InvalidKey, ValueTooLarge, WriteBufferFull: As `put` and `put_large`.
        """
        view = self._view("put_encoded")
        checked_encoded(self._space.limits, key, data, is_large=is_large)
        if is_large:
            write_large(self._space, view, key, data, confirm=True)
        else:
            view.write({key: data}, confirm=True)

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

    # For the room actor

    @property
    def gate(self) -> int:
        """Number of the newest flush, sealed or not, that carries a write to be confirmed.

        What leaves the room waits until `durable` is not below what `gate` was when it was sent.
        """
        return self._space.flusher.gate

    @property
    def durable(self) -> int:
        """Every flush up to this number is durable."""
        return self._space.flusher.durable

    @property
    def reads_pending(self) -> int:
        """What keeps the input gate shut: reads from Redis in flight, and an open transaction."""
        return len(self._space.reader.running) + self._transactions_open

    async def reads_settled(self) -> None:
        """Wait until `reads_pending` is 0, or was for a moment."""
        while self.reads_pending:
            if self._space.reader.running:
                await asyncio.wait(self._space.reader.running)
            else:
                async with self._one_transaction:
                    pass

    def record_holders(self) -> None:
        """Ask for what `holders` tells to be recorded: nothing leaves before it is durable."""
        self._space.flusher.touched(confirm=True)

    def show_alarm(self) -> None:
        """Correct the index of due times, which has shown an alarm that is not due."""
        self._space.flusher.show_alarm()

    async def close(self) -> None:
        """Refuse new calls, then flush what is pending.

        Raises:
            StorageReset: If that failed.
        """
        await self._space.flusher.close()

    def is_undone(self, error: NotOwner) -> bool:
        """Whether nothing that was not known to be durable has landed; False if nobody knows."""
        last_flush = error.last_flush
        return last_flush is not None and last_flush <= self._space.flusher.committed

    async def reclaim(self, owner: str) -> None:
        """Go on with the claim under another name, if nobody else has had the space meanwhile.

        Raises:
            StorageReset: If somebody has (`NotOwner`), or the storage has ended otherwise.
        """
        await self._space.flusher.reclaim(owner)

    async def release(self) -> None:
        """Give the claim back; nothing more may be written. Does nothing if it is not ours now."""
        await self._space.flusher.release()

    def abandon(self) -> None:
        """Drop what is not durable and refuse use: the room starts over."""
        self._space.flusher.abandon("the room starts over from what is durable")

    async def begin_transaction(self) -> None:
        """Wait for the turn of an outermost transaction."""
        await self._one_transaction.acquire()
        self._transactions_open += 1

    def end_transaction(self) -> None:
        """Let the next outermost transaction begin."""
        self._transactions_open -= 1
        self._one_transaction.release()

    def _check_outside(self, operation: str) -> None:
        if self._transactions_open and innermost(self) is not None:
            raise TransactionOpen(operation)

    def _view(self, operation: str) -> View:
        self._space.flusher.check_usable()
        if self._transactions_open:
            transaction = innermost(self)
            if transaction is not None:
                return transaction._view(operation)
        return self._space
