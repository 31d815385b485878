"""How a space is laid out in its server: whether that fits its index, and where its keys are."""

from __future__ import annotations

import redis
from parlour.storage import Backend, Claim, OwnedStorage, StorageLimits
from parlour.storage.keys import MARK, metadata_key

SPACE = "chat/lobby"
OWN_KEY = metadata_key(SPACE)


async def claimed(backend: Backend) -> OwnedStorage:
    """Claim the space as its owner, and open its storage."""
    return OwnedStorage(backend, await backend.claim(SPACE, owner="owner", address=""))


def shards(client: redis.Redis) -> list[str]:
    """The hashes of shards that are not in the space's own hash."""
    return sorted(key.decode() for key in client.scan_iter(match="*:s:*"))


def fields(client: redis.Redis) -> list[list[bytes]]:
    """The field names in each shard that is not empty."""
    hashes = [OWN_KEY, *shards(client)]
    names = [[bytes(name) for name in client.hkeys(key)] for key in hashes]  # type: ignore[arg-type]
    found = [sorted(name for name in some if not name.startswith(MARK)) for some in names]
    return [some for some in found if some]


async def check_layout(backend: Backend, claim: Claim, limits: StorageLimits) -> None:
    """Fail unless every shard holds its range and its index entry counts it exactly."""
    shards = sorted(claim.shards, key=lambda info: info.first)
    held = await backend.read_shards(claim.space, [info.home for info in shards])
    ends: list[str | None] = [*(info.first for info in shards[1:]), None]
    assert not shards or shards[0].first == "", "keys below the first shard have no home"
    for info, end in zip(shards, ends, strict=False):
        values = held[info.shard]
        assert len(values) == info.key_count
        assert info.size_bytes == sum(len(k.encode()) + len(v) for k, v in values.items())
        assert info.key_count <= limits.shard_fields_max
        assert info.size_bytes <= limits.shard_bytes_max or info.key_count == 1
        assert info.key_count > 0 or info.first == "", "an empty shard that is kept"
        assert info.shard < claim.next_shard
        for key in values:
            assert info.first <= key
            assert key.startswith(info.prefix)
            assert end is None or key < end
