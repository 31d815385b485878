"""The limits of storage, with the defaults that measurements chose.

Everything that can grow has a bound here. Sizes of keys are UTF-8 bytes, sizes of values are
bytes as encoded.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class StorageLimits:
    """Bounds of one room's storage and of how it is laid out in Redis.

    Attributes:
        key_bytes_max: Longest key.
        value_bytes_max: Largest value of `put`.
        keys_per_call_max: Most keys or pairs in one get, put or delete.
        large_value_bytes_max: Largest value of `put_large`; 64 MiB of bytes and their encoding.
        large_chunk_bytes: A large value is stored in pieces of this size.
        shard_fields_max: A shard with more fields is split. Small shards stay in the server's
            compact encoding (below its `hash-max-listpack-entries`) and are cheap to read whole.
        shard_bytes_max: A shard with more bytes of keys and values is split.
        claim_bytes_max: A claim brings all keys and values of a space up to this size.
        cache_bytes_max: Memory for values that are also in Redis; the least recently used go first.
        dirty_bytes_max: Above this much unflushed data, awaiting a write waits.
        unflushed_bytes_max: Above this much, a write is refused, awaited or not.
        read_bytes_max: A long list is read from Redis in steps of about this size.
    """

    key_bytes_max: int = 2048
    value_bytes_max: int = 128 * KIB
    keys_per_call_max: int = 128
    large_value_bytes_max: int = 64 * MIB + KIB
    large_chunk_bytes: int = 1 * MIB
    shard_fields_max: int = 256
    shard_bytes_max: int = 1 * MIB
    claim_bytes_max: int = 64 * KIB
    cache_bytes_max: int = 16 * MIB
    dirty_bytes_max: int = 8 * MIB
    unflushed_bytes_max: int = 256 * MIB
    read_bytes_max: int = 8 * MIB
