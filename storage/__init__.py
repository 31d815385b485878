"""Bytes and keys: the transactional key-value storage of one room, kept in Redis.

Knows no room, no connection and no Ray. Read in this order: storage.py and operations.py (what a
room calls), owned_storage.py (what its owner calls), cache.py, flush.py and reading.py (how it
works), backend.py and redis_backend.py with scripts/ (where it is kept), codec.py (values as
bytes).
"""

from .alarms import Alarm
from .backend import AlarmSource, Backend, Claim
from .claim_errors import ClaimHeld, FlushMissing, NotOwner, StorageClosed, StorageReset
from .codec import decode, encode
from .embedded import EmbeddedServer
from .errors import (
    DataCloneError,
    DecodeError,
    InvalidArgument,
    InvalidExport,
    InvalidKey,
    KeyTooLarge,
    StorageError,
    TooManyKeys,
    ValueTooLarge,
    WriteBufferFull,
    WrongThread,
)
from .limits import StorageLimits
from .memory_backend import MemoryBackend
from .owned_storage import OwnedStorage
from .redis_backend import RedisBackend
from .redis_connection import RedisConnection
from .storage import Storage, StorageSize
from .transaction import Transaction
from .transaction_errors import (
    TransactionBusy,
    TransactionEnded,
    TransactionError,
    TransactionOpen,
)

__all__ = [
    "Alarm",
    "AlarmSource",
    "Backend",
    "Claim",
    "ClaimHeld",
    "DataCloneError",
    "DecodeError",
    "EmbeddedServer",
    "FlushMissing",
    "InvalidArgument",
    "InvalidExport",
    "InvalidKey",
    "KeyTooLarge",
    "MemoryBackend",
    "NotOwner",
    "OwnedStorage",
    "RedisBackend",
    "RedisConnection",
    "Storage",
    "StorageClosed",
    "StorageError",
    "StorageLimits",
    "StorageReset",
    "StorageSize",
    "TooManyKeys",
    "Transaction",
    "TransactionBusy",
    "TransactionEnded",
    "TransactionError",
    "TransactionOpen",
    "ValueTooLarge",
    "WriteBufferFull",
    "WrongThread",
    "decode",
    "encode",
]
