"""The limits of storage, with the defaults that measurements chose.

Everything that can grow has a bound here. Sizes of keys are UTF-8 bytes, sizes of values are
bytes as encoded.

Why 256 fields a shard: a small key (12 bytes, its value 8) takes 15 bytes in Redis in a room of 100
keys or more, and 24 in a room of 10 (with its metadata), where one hash and a sorted set take 51
(10 keys), 42 (100) and 104 to 131 (more). That is where all keys of a shard begin with the same 10
or 11 bytes; each byte that they do not share is one more for each of them: with none shared a room
of 100 takes 27. What a write costs with other bounds was measured on a machine too busy to tell 32
from 400 fields. A fresh half of a split has 128 keys, so that a list of 100 reads two shards; a
shard stays below the 512 fields at which servers give up the compact encoding; and a million keys
need an index of some 6,200 entries, which a claim reads in some 20 ms.

Why 64 fields and 4 KiB in a space's own hash: above that a Redis key less hardly matters (it was
two fifths of what 10 keys took, a twentieth of 100), and every flush looks for the metadata among
them. benchmarks/bench_storage.py measures memory again.
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
        value_bytes_max: Largest value of `put`: 131,071 bytes, or bytes of UTF-8, encode to it.
        keys_per_call_max: Most keys or pairs in one get, put or delete.
        large_value_bytes_max: Largest value of `put_large`: 64 MiB and room for the encoding of
            what is no plain bytes, as an array.
        large_chunk_bytes: A large value is stored in pieces of this size.
        shard_fields_max: A shard with more fields is split. Small shards stay in the server's
            compact encoding (below its `hash-max-listpack-entries`) and are cheap to read whole.
        shard_bytes_max: A shard with more bytes of keys and values is split.
        own_fields_max: A space with at most so many keys (and not more than 255) has them in the
            hash of its metadata, as long as no key or value is longer than 64 bytes,
        own_bytes_max: and all of them together are at most this (and not more than 64 KiB).
        claim_bytes_max: A claim brings all keys and values of a space up to this size.
        cache_bytes_max: Memory for values that are also in Redis; the least recently used go first.
        dirty_bytes_max: Above this much unflushed data, awaiting a write waits.
        unflushed_bytes_max: Above this much of keys and values, with 180 bytes an entry, a write
            is refused, awaited or not, and so is one more in a transaction that holds as much.
            What is written without an await is one flush, and the server does nothing else
            while it applies that: a second or so for this much, with `appendfsync always`.
        unflushed_large_bytes_max: Likewise, of large values, which go in slices.
        read_bytes_max: A long list is read from Redis in steps of about this size.
    """

    key_bytes_max: int = 2048
    value_bytes_max: int = 128 * KIB
    keys_per_call_max: int = 128
    large_value_bytes_max: int = 64 * MIB + KIB
    large_chunk_bytes: int = 1 * MIB
    shard_fields_max: int = 256
    shard_bytes_max: int = 1 * MIB
    own_fields_max: int = 64
    own_bytes_max: int = 4 * KIB
    claim_bytes_max: int = 64 * KIB
    cache_bytes_max: int = 16 * MIB
    dirty_bytes_max: int = 8 * MIB
    unflushed_bytes_max: int = 32 * MIB
    unflushed_large_bytes_max: int = 64 * MIB
    read_bytes_max: int = 8 * MIB
