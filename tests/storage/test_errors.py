"""The sentences of the errors, and that they travel between processes."""

from __future__ import annotations

import pickle

import pytest
from parlour.storage import claim_errors, errors, transaction_errors
from parlour.storage.errors import StorageError

EXAMPLES = {
    errors.InvalidKey(5, "is int, keys are strings; use str(key)"): (
        "key 5 is int, keys are strings; use str(key)"
    ),
    errors.KeyTooLarge("k" * 3000, 3000, 2048): (
        f"key '{'k' * 80}'... (3,000 characters) is 3,000 UTF-8 bytes, a key has at most 2,048; "
        "shorten it, or store a digest of it"
    ),
    errors.InvalidArgument("scan()", "page must be positive, not 0"): (
        "scan() page must be positive, not 0"
    ),
    errors.ValueTooLarge("k", 200_000, 131_072, "use put_large"): (
        "value of 'k' is 200,000 bytes encoded, the most is 131,072 "
        "(text and bytes take one more than they have); use put_large"
    ),
    errors.TooManyKeys(129, 128): (
        "129 keys in one call, the most is 128; make several calls (without an await between "
        "them they are still one atomic flush)"
    ),
    errors.DataCloneError("messages[3].author", "function is not storable", "store a name"): (
        "messages[3].author: function is not storable; store a name"
    ),
    errors.DecodeError("no such form: 77", "k"): (
        "value stored at 'k' cannot be decoded: no such form: 77; it was not written by Parlour"
    ),
    errors.WriteBufferFull(20, 10, "await the writes"): (
        "20 bytes wait to be flushed, the most is 10; await the writes"
    ),
    transaction_errors.TransactionEnded("get", "committed"): (
        "get() on a transaction that is committed; "
        "use a transaction only inside its `async with` block"
    ),
    transaction_errors.TransactionBusy(): (
        "rollback() on a transaction with another one running inside it; "
        "end the inner one first, by leaving its block or by its own rollback()"
    ),
    transaction_errors.TransactionOpen("sync"): (
        "sync() inside a transaction, whose writes are made at its end; "
        "call sync() after its `async with` block"
    ),
    claim_errors.StorageClosed("chat/a"): (
        "storage of 'chat/a' is closed, its room hibernates; "
        "finish the work of background tasks before the handler returns"
    ),
    errors.WrongThread("chat/a"): (
        "storage of 'chat/a' was used in a thread of its own; use it in the room's event loop "
        "alone: compute in the thread, and store what it returns"
    ),
    claim_errors.StorageReset("chat/a", "the disk is full"): (
        "storage of 'chat/a' was reset: the disk is full"
    ),
    claim_errors.FlushMissing("chat/a", 8, 5): (
        "storage of 'chat/a' was reset: flush 8 cannot follow flush 5, the last one that the "
        "server has: it lost 2 acknowledged before, as a fail-over to a late replica does, or a "
        "crash of a server that does not fsync always; the room goes on from what is there"
    ),
    claim_errors.NotOwner("chat/a", 1, 2): (
        "storage of 'chat/a' was reset: it was claimed with epoch 1 and the epoch is 2 now; "
        "another owner has taken over"
    ),
    claim_errors.ClaimHeld("process-1", "host:1", 7): (
        "the claim is held by 'process-1' at 'host:1' with epoch 7"
    ),
    errors.InvalidExport(3, "it is no JSON"): (
        "line 3 of the export: it is no JSON; "
        "give a file as `parlour storage export` has written it"
    ),
}


def test_every_error_has_an_example() -> None:
    """A new error comes with its sentence here."""
    modules = (errors, claim_errors, transaction_errors)
    found = [value for module in modules for value in vars(module).values()]
    classes = {cls for cls in found if isinstance(cls, type) and issubclass(cls, StorageError)}
    roots = {StorageError, transaction_errors.TransactionError}
    assert classes - roots == {type(error) for error in EXAMPLES}


@pytest.mark.parametrize(
    ("error", "sentence"), EXAMPLES.items(), ids=lambda value: type(value).__name__
)
def test_an_error_says_what_was_given_what_is_allowed_and_what_to_do(
    error: StorageError, sentence: str
) -> None:
    """And says the same after travelling to another process."""
    assert str(error) == sentence
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == sentence
    assert vars(copy) == vars(error)
