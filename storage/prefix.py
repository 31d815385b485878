"""What all keys of a shard begin with: kept once, in its index entry, instead of in every field.

A shard's field names leave its prefix out. Any string that all its keys begin with will do, the
empty one too; the longest is the cheapest. The owner of a space says in each flush what its shards'
prefixes are after the flush's writes. A key that does not begin with it shortens it, and only an
empty shard's may become another one; splits, which see all keys, lengthen it (commit.lua).
"""

from __future__ import annotations

from collections.abc import Iterable
from os.path import commonprefix

# With it, the index entry of a space's only shard has the 64 bytes up to which a value may be in
# the server's compact encoding; commit.lua has the same.
PREFIX_BYTES_MAX = 55


def shared_prefix(keys: Iterable[str], prefix: str | None = None) -> str:
    """Find what all `keys` begin with, and `prefix` too if there is one; the longest allowed."""
    for key in keys:
        if prefix is None:
            prefix = key.encode()[:PREFIX_BYTES_MAX].decode(errors="ignore")
        elif not key.startswith(prefix):
            prefix = commonprefix([prefix, key])
    return prefix or ""
