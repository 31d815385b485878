"""The errors of transactions, a branch of the tree in errors.py.

TransactionError
 +-- TransactionEnded      a transaction used after its end
 +-- TransactionBusy       a transaction rolled back under one that runs inside it
 +-- TransactionOpen       a call inside a transaction that can only be made after its end
"""

from __future__ import annotations

from .errors import StorageError


class TransactionError(StorageError):
    """A call that does not go with how far a transaction is."""


class TransactionEnded(TransactionError):
    """An operation on a transaction that is over.

    Attributes:
        operation: The call, as in `put`.
        state: `rolled back`, `committed` or `not started`.
    """

    def __init__(self, operation: str, state: str) -> None:
        super().__init__(operation, state)
        self.operation = operation
        self.state = state

    def __str__(self) -> str:
        return (
            f"{self.operation}() on a transaction that is {self.state}; "
            "use a transaction only inside its `async with` block"
        )


class TransactionBusy(TransactionError):
    """A transaction cannot be rolled back while one inside it is still running."""

    def __str__(self) -> str:
        return (
            "rollback() on a transaction with another one running inside it; "
            "end the inner one first, by leaving its block or by its own rollback()"
        )


class TransactionOpen(TransactionError):
    """A call that tells what is durable, inside a transaction, whose writes are not made yet.

    Attributes:
        operation: The call, as in `sync`.
    """

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation

    def __str__(self) -> str:
        return (
            f"{self.operation}() inside a transaction, whose writes are made at its end; "
            f"call {self.operation}() after its `async with` block"
        )
