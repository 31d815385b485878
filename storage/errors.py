"""The errors of storage: one tree, each class keeps its parts and builds its sentence.

StorageError
 +-- InvalidArgument       what a call does not take; a TypeError and a ValueError as well
 +-- InvalidKey            a key that can never be stored
 |    +-- KeyTooLarge
 +-- ValueTooLarge         a value above the limit of its call
 +-- TooManyKeys           more keys in one call than one call may carry
 +-- DataCloneError        a value of a type that is not storable
 +-- DecodeError           stored bytes that are no value
 +-- WriteBufferFull       more written than flushing can keep up with
 +-- TransactionError      a call that a transaction is in the way of: transaction_errors.py
 +-- StorageClosed, StorageReset, ClaimHeld: storage that has ended, see claim_errors.py
 +-- InvalidExport         a file that is no whole and sound export
 +-- ServerError           anything wrong with the server below: see server_errors.py

The parts are the constructor's arguments, so every error survives pickling.
"""

from __future__ import annotations


class StorageError(Exception):
    """Anything that storage refuses or that went wrong in it."""


class InvalidArgument(StorageError, TypeError, ValueError):
    """A call was given what it does not take, where Python itself has a TypeError or ValueError.

    Attributes:
        call: As in `scan()`.
        problem: What it takes and what it was given, as the end of a sentence.
    """

    def __init__(self, call: str, problem: str) -> None:
        super().__init__(call, problem)
        self.call = call
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.call} {self.problem}"


class InvalidKey(StorageError):
    """A key that storage cannot hold.

    Attributes:
        key: What was given.
        problem: What is wrong with it, as the end of a sentence.
    """

    def __init__(self, key: object, problem: str) -> None:
        super().__init__(key, problem)
        self.key = key
        self.problem = problem

    def __str__(self) -> str:
        return f"key {_shortened(self.key)} {self.problem}"


class KeyTooLarge(InvalidKey):
    """A key of more UTF-8 bytes than a key may have."""

    def __init__(self, key: str, size_bytes: int, size_bytes_max: int) -> None:
        super().__init__(
            key,
            f"is {size_bytes:,} UTF-8 bytes, a key has at most {size_bytes_max:,}; "
            "shorten it, or store a digest of it",
        )
        self.args = (key, size_bytes, size_bytes_max)
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max


class ValueTooLarge(StorageError):
    """A value of more encoded bytes than the call takes.

    Attributes:
        size_bytes: What is stored of it. Bytes take one more than they have, and text one more
            than it has in UTF-8; containers, and all else, take what `encode` makes of them.
    """

    def __init__(self, key: str, size_bytes: int, size_bytes_max: int, advice: str) -> None:
        super().__init__(key, size_bytes, size_bytes_max, advice)
        self.key = key
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max
        self.advice = advice

    def __str__(self) -> str:
        return (
            f"value of {_shortened(self.key)} is {self.size_bytes:,} bytes encoded, the most is "
            f"{self.size_bytes_max:,} (text and bytes take one more than they have); {self.advice}"
        )


class TooManyKeys(StorageError):
    """More keys or pairs in one call than a call may carry."""

    def __init__(self, count: int, count_max: int) -> None:
        super().__init__(count, count_max)
        self.count = count
        self.count_max = count_max

    def __str__(self) -> str:
        return (
            f"{self.count:,} keys in one call, the most is {self.count_max:,}; make several "
            "calls (without an await between them they are still one atomic flush)"
        )


class DataCloneError(StorageError):
    """A value, or something inside it, is not storable.

    Attributes:
        path: Where it sits, as in `messages[3].author`; `value` is the value itself.
        problem: What is wrong there, as in `function is not storable`.
    """

    def __init__(self, path: str, problem: str, advice: str = "") -> None:
        super().__init__(path, problem, advice)
        self.path = path
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        sentence = f"{self.path}: {self.problem}"
        return f"{sentence}; {self.advice}" if self.advice else sentence


class DecodeError(StorageError):
    """Stored bytes that are not an encoded value: foreign, damaged or cut off.

    Attributes:
        problem: What was met.
        key: Where the bytes were stored; None until a caller that knows it has set it.
    """

    def __init__(self, problem: str, key: str | None = None) -> None:
        super().__init__(problem, key)
        self.problem = problem
        self.key = key

    def __str__(self) -> str:
        where = "stored value" if self.key is None else f"value stored at {_shortened(self.key)}"
        return f"{where} cannot be decoded: {self.problem}; it was not written by Parlour"


class WriteBufferFull(StorageError):
    """Writes that are not flushed yet, or those of a transaction, take as much memory as they may.

    Attributes:
        size_bytes: Of their keys and encoded values, and 180 bytes for each entry.
    """

    def __init__(self, size_bytes: int, size_bytes_max: int, advice: str) -> None:
        super().__init__(size_bytes, size_bytes_max, advice)
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max
        self.advice = advice

    def __str__(self) -> str:
        return (
            f"{self.size_bytes:,} bytes wait to be flushed, the most is {self.size_bytes_max:,}; "
            f"{self.advice}"
        )


class WrongThread(StorageError):
    """Storage was used in another thread than that of the room's event loop; nothing was changed.

    Attributes:
        space: Whose storage.
    """

    def __init__(self, space: str) -> None:
        super().__init__(space)
        self.space = space

    def __str__(self) -> str:
        return (
            f"storage of {self.space!r} was used in a thread of its own; use it in the room's "
            "event loop alone: compute in the thread, and store what it returns"
        )


class InvalidExport(StorageError):
    """A file that is no export of a room, or not a whole and sound one.

    Attributes:
        line: Which line, from 1.
        problem: What is wrong there, as a sentence without its end.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(line, problem)
        self.line = line
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"line {self.line:,} of the export: {self.problem}; "
            "give a file as `parlour storage export` has written it"
        )


def _shortened(given: object, length_max: int = 80) -> str:
    """Show a key without letting a giant one fill the log."""
    if isinstance(given, str) and len(given) > length_max:
        return f"{given[:length_max]!r}... ({len(given):,} characters)"
    shown = repr(given)
    return shown if len(shown) <= length_max else f"{shown[:length_max]}..."
