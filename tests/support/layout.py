"""Whether what a backend holds of a space fits its index: the check behind the storage tests."""

from __future__ import annotations

from parlour.storage import Backend, Claim, StorageLimits


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
