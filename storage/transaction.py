"""Transactions: writes that are buffered over a state of the keys and take effect together.

Guarantees. Nothing that is written in a transaction shows outside before its end. At the end all
of it is written in one step, so in one flush; after an exception or `rollback` nothing is.
Transactions of a room run one after another; one inside another is part of it.
Not here: locking out other events of the room, which is the room actor's input gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from .admission import END_TRANSACTION, check_room
from .alarms import Alarm
from .cache import UNKNOWN, Found, Known, entry_bytes
from .key_range import RESERVED
from .limits import StorageLimits
from .operations import Operations
from .space import Space
from .transaction_errors import TransactionBusy, TransactionEnded
from .view import View

# The innermost transaction of the running task; tasks that it starts inherit it.
_innermost: ContextVar[Transaction | None] = ContextVar("parlour.transaction", default=None)


class Buffer:
    """A `View`: writes that lie over a parent's state until they are passed on to it."""

    def __init__(self, parent: View, limits: StorageLimits) -> None:
        self._parent = parent
        self._limits = limits
        self._size_bytes = self._large_bytes = 0
        self._entries: dict[str, Known] = {}
        self._cleared = False
        self._alarms: dict[str, Alarm | None] = {}
        self._confirm = False  # some write of it must be confirmed
        self._changed = False

    @property
    def alarms(self) -> Mapping[str, Alarm]:
        if not self._alarms and not self._cleared:
            return self._parent.alarms
        merged = {**({} if self._cleared else self._parent.alarms), **self._alarms}
        return {name: alarm for name, alarm in merged.items() if alarm is not None}

    def lookup(self, key: str) -> Found:
        found: Found = self._entries.get(key, UNKNOWN)
        if found is not UNKNOWN:
            return found
        return None if self._cleared else self._parent.lookup(key)

    def overlay(self, low: str, high: str | None) -> tuple[dict[str, Known], bool]:
        merged, hides_all = ({}, True) if self._cleared else self._parent.overlay(low, high)
        for key, data in self._entries.items():
            if low <= key and (high is None or key < high):
                merged[key] = data
        return merged, hides_all

    def write(self, entries: Mapping[str, Known], *, confirm: bool) -> None:
        check_room(self._limits, entries, self._size_bytes, self._large_bytes, END_TRANSACTION)
        for key, data in entries.items():
            grown_bytes = entry_bytes(key, data)
            if key in self._entries:
                grown_bytes -= entry_bytes(key, self._entries[key])
            if key >= RESERVED:
                self._large_bytes += grown_bytes
            else:
                self._size_bytes += grown_bytes
        self._entries.update(entries)
        self._note(confirm)

    def clear(self, *, confirm: bool) -> None:
        self._entries.clear()
        self._size_bytes = self._large_bytes = 0
        self._alarms.clear()
        self._cleared = True
        self._note(confirm)

    def set_alarm(self, name: str, alarm: Alarm | None, *, confirm: bool) -> None:
        self._alarms[name] = alarm
        self._note(confirm)

    def pass_on(self) -> None:
        """Write everything to the parent, in one step."""
        if not self._changed:
            return
        if self._cleared:
            self._parent.clear(confirm=self._confirm)
        if self._entries:
            self._parent.write(self._entries, confirm=self._confirm)
        for name, alarm in self._alarms.items():
            self._parent.set_alarm(name, alarm, confirm=self._confirm)

    def _note(self, confirm: bool) -> None:
        self._changed = True
        self._confirm = self._confirm or confirm


class Transaction(Operations):
    """`async with storage.transaction() as txn:` commits at the end of the block.

    An exception that leaves the block undoes it and goes on; `txn.rollback()` undoes it without
    one. Calls on the storage itself, made inside the block by the same task or by tasks started
    there, belong to the transaction as well. Other tasks of the room do not see its writes before
    it commits; what they write meanwhile shows in its reads. Entering waits until the transaction
    of any other task of the room has ended, so do not await such a task inside. In a block of its
    own a transaction nests: its commit becomes part of the outer one.

    All of it is one flush, so it holds as much as may be unflushed: 32 MiB, and 64 MiB of large
    values (keys, encoded values and 180 bytes an entry; what is written over counts once). Past
    that a write raises `WriteBufferFull`, and so does the end of a block if the writes before it
    have been neither awaited nor flushed: then nothing of it is written.

    The end of the block waits as `put` does, not for durability.
    """

    def __init__(self, space: Space, outer: Transaction | None) -> None:
        super().__init__(space)
        self._outer = outer  # the one that this is a part of
        self._previous: Transaction | None = None  # innermost of this task before
        self._state = "not started"
        self._inner_count = 0
        self._buffer: Buffer | None = None

    def __repr__(self) -> str:
        return f"<Transaction on {self._space.name!r}, {self._state}>"

    @property
    def is_open(self) -> bool:
        """Whether it takes calls: entered, not rolled back, not at its end."""
        return self._state == "open"

    def rollback(self) -> None:
        """Undo everything; later calls on it raise `TransactionEnded`. Repeating it is fine.

        Raises:
            TransactionBusy: If a transaction inside this one is still running.
            TransactionEnded: If it has committed.
        """
        if self._state == "rolled back":
            return
        self._open_buffer("rollback")
        if self._inner_count:
            raise TransactionBusy
        self._end("rolled back")

    def transaction(self) -> Transaction:
        """Start a transaction inside this one."""
        self._open_buffer("transaction")
        return Transaction(self._space, self)

    async def __aenter__(self) -> Self:
        if self._state != "not started":
            raise TransactionEnded("async with", self._state)
        if self._outer is None:
            self._outer = innermost(self._space)
        if self._outer is None:
            await self._space.turns.take()
            parent: View = self._space
        else:
            parent = self._outer._view("transaction")
            self._outer._inner_count += 1
        self._buffer = Buffer(parent, self._space.limits)
        self._state = "open"
        self._previous = _innermost.get()
        _innermost.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _innermost.set(self._previous)
        if self.is_open:
            try:
                if error is None:
                    self._commit()
            finally:
                self._end("committed" if error is None else "rolled back")
        if error is None and self._outer is None:
            await self._space.written()

    def _commit(self) -> None:
        buffer = self._open_buffer("commit")
        if self._outer is not None:
            self._outer._view("commit")  # raises if the outer one is over
        buffer.pass_on()

    def _end(self, state: str) -> None:
        self._state = state
        self._buffer = None
        if self._outer is None:
            self._space.turns.give_back()
        else:
            self._outer._inner_count -= 1

    def _view(self, operation: str) -> View:
        return self._open_buffer(operation)

    def _open_buffer(self, operation: str) -> Buffer:
        self._space.flusher.check_usable()
        if not self.is_open or self._buffer is None:
            raise TransactionEnded(operation, self._state)
        return self._buffer


def innermost(space: Space) -> Transaction | None:
    """Find the innermost open transaction on `space` that the running task is inside of."""
    found = _innermost.get()
    while found is not None and not (found._space is space and found.is_open):
        found = found._previous
    return found
