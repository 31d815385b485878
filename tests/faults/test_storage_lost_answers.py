"""A server whose answers do not arrive: nothing counts as durable, and nothing is applied twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.storage import (
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageError,
    StorageLimits,
    StorageReset,
)
from parlour.storage.redis_commands import ConnectionLimits

from ..support.cuttable_link import CuttableLink
from ..support.layout import check_layout

SPACE = "chat/lobby"
LIMITS = StorageLimits(shard_fields_max=8, claim_bytes_max=-1, cache_bytes_max=0)


@pytest.fixture
async def link(valkey_url: str, tmp_path: Path) -> AsyncIterator[CuttableLink]:
    """A link to an empty Valkey that can be cut."""
    async with CuttableLink(tmp_path / "link", valkey_url.removeprefix("unix://")) as link:
        yield link


async def opened(link: CuttableLink, **limits: float) -> tuple[RedisBackend, OwnedStorage]:
    connection = RedisConnection(link.url, limits=ConnectionLimits(**limits))  # type: ignore[arg-type]
    backend = RedisBackend(connection, limits=LIMITS)
    claim = await backend.claim(SPACE, owner="owner", address="")
    return backend, OwnedStorage(backend, claim, limits=LIMITS)


async def test_nothing_is_durable_before_the_answer(link: CuttableLink) -> None:
    """The server has applied the flush, but the gate stays shut until that is known."""
    backend, storage = await opened(link)
    link.replies_pass = False
    storage.put("a", 1)
    await link.reply_thrown_away()
    assert storage.durable < storage.gate
    link.replies_pass = True
    link.cut()
    await storage.sync()
    assert storage.durable == storage.gate
    await backend.close()


@pytest.mark.parametrize("seed", range(6))
async def test_lost_answers_are_asked_for_again(link: CuttableLink, seed: int) -> None:
    """Through any number of cuts each flush is applied once, in order, and reads fit."""
    chance = random.Random(seed)
    backend, storage = await opened(link)
    expected: dict[str, int] = {}
    first = storage.durable
    for number in range(60):
        for _ in range(chance.randrange(1, 10)):
            key = f"{chance.randrange(60):02}"
            if chance.random() < 0.4:
                storage.delete(key)
                expected.pop(key, None)
            else:
                storage.put(key, number)
                expected[key] = number
        match chance.randrange(4):
            case 0:  # the answer is lost, and the connection with it
                link.replies_pass = False
                await link.reply_thrown_away()
                link.replies_pass = True
                link.cut()
            case 1:  # the connection is lost, perhaps before the flush arrives
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                link.cut()
        if chance.random() < 0.5:
            assert await storage.list() == dict(sorted(expected.items()))
    await storage.sync()
    claim = await backend.claim(SPACE, owner="owner", address="")
    await check_layout(backend, claim, LIMITS)
    assert claim.flush_number == storage.durable > first
    assert await OwnedStorage(backend, claim, limits=LIMITS).list() == dict(
        sorted(expected.items())
    )
    await backend.close()


async def test_patience_has_an_end(link: CuttableLink) -> None:
    """Then the storage is reset, and the next owner finds the flush whole or not at all."""
    failed: list[StorageError] = []
    backend = RedisBackend(
        RedisConnection(link.url, limits=ConnectionLimits(patience_s=0.3)), limits=LIMITS
    )
    claim = await backend.claim(SPACE, owner="owner", address="")
    storage = OwnedStorage(backend, claim, limits=LIMITS, on_failed=failed.append)
    storage.put({"a": 1, "b": 1})
    await storage.sync()
    durable = storage.durable
    link.replies_pass = False
    storage.put({"a": 2, "b": 2})
    reading = storage.get("c")
    with pytest.raises(StorageReset, match=r"no answer from .* within 0\.3 s"):
        await storage.sync()
    with pytest.raises(StorageError):
        await reading
    assert storage.durable == durable
    assert [type(error) for error in failed] == [StorageReset]
    await backend.close()
    link.replies_pass = True
    backend, storage = await opened(link)
    assert await storage.list() in ({"a": 1, "b": 1}, {"a": 2, "b": 2})
    await backend.close()
