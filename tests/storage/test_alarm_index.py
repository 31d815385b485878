"""The index of due times: what arrives late or in vain never makes a space oversleep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis
from parlour.storage import Alarm, NotOwner, OwnedStorage, RedisBackend
from parlour.storage.alarm_index import AlarmIndex
from parlour.storage.keys import ALARM_INDEX_PARTS, alarm_index_keys, alarm_index_of
from parlour.storage.redis_cluster import ClusterConnection, connect
from parlour.storage.redis_connection import RedisConnection

SPACE = "chat/lobby"
TIMES, WHO = alarm_index_keys(alarm_index_of(SPACE))


@pytest.fixture
async def index(valkey_url: str) -> AsyncIterator[AlarmIndex]:
    """An empty index."""
    connection = RedisConnection(valkey_url)
    yield AlarmIndex(connection)
    await connection.close()


@pytest.fixture
def server(valkey_url: str) -> redis.Redis:
    """A look into its server."""
    return redis.Redis.from_url(valkey_url, decode_responses=True)


async def show(
    index: AlarmIndex, epoch: int, flush: int, due_ms: int | None, *, before: bool = False
) -> bool:
    """Enter a due time; tells whether it counted."""
    reply = await index.show(
        SPACE, epoch=epoch, flush_number=flush, due_ms=due_ms, only_earlier=before
    )
    return bool(reply)


async def test_before_its_flush_an_entry_only_becomes_earlier(
    index: AlarmIndex, server: redis.Redis
) -> None:
    """The old alarm is the truth until the flush is applied."""
    assert await show(index, 1, 1, 500, before=True)
    assert server.zscore(TIMES, SPACE) == 500
    assert await show(index, 1, 2, 700, before=True)
    assert server.zscore(TIMES, SPACE) == 500
    assert await show(index, 1, 2, 700)
    assert server.zscore(TIMES, SPACE) == 700


@pytest.mark.parametrize("due_ms", [None, 900, 100])
async def test_what_an_older_flush_or_claim_says_is_ignored(
    index: AlarmIndex, server: redis.Redis, due_ms: int | None
) -> None:
    """It may have been on its way, or its process stopped, for a long time."""
    assert await show(index, 2, 5, 500)
    assert not await show(index, 2, 4, due_ms)
    assert not await show(index, 1, 9, due_ms)
    assert not await show(index, 1, 9, due_ms, before=True)
    assert server.zscore(TIMES, SPACE) == 500
    assert await show(index, 2, 5, 600)  # the same flush, after it was applied
    assert await show(index, 3, 1, 700)
    assert server.zscore(TIMES, SPACE) == 700


async def test_a_space_without_alarms_leaves_nothing(
    index: AlarmIndex, server: redis.Redis
) -> None:
    """Neither its time nor who entered it."""
    await show(index, 1, 1, 500)
    await show(index, 1, 2, None)
    assert server.exists(TIMES, WHO) == 0


async def test_a_commit_that_was_refused_leaves_at_most_an_early_entry(
    valkey_url: str, server: redis.Redis
) -> None:
    """The owner who was overtaken has not moved the alarm later, and the next one corrects it."""
    backend = RedisBackend(RedisConnection(valkey_url))
    storage = OwnedStorage(backend, await backend.claim(SPACE, owner="a", address=""))
    storage.change_alarm("x", Alarm(500))
    await storage.sync()
    winner = OwnedStorage(
        backend, await backend.claim(SPACE, owner="b", address="", takeover_epoch=1)
    )
    storage.change_alarm("x", Alarm(100))
    with pytest.raises(NotOwner):
        await storage.sync()
    assert server.zscore(TIMES, SPACE) == 100

    winner.show_alarm()
    await winner.sync()
    await backend.take_due(0, until_ms=0, count_max=1)  # answered after the entry
    assert server.zscore(TIMES, SPACE) == 500
    await backend.close()


async def test_the_entry_is_there_before_the_flush_is_applied(
    valkey_url: str, server: redis.Redis
) -> None:
    """The server sees them in this order, and so does its append-only file."""
    backend = RedisBackend(RedisConnection(valkey_url))
    storage = OwnedStorage(backend, await backend.claim(SPACE, owner="a", address=""))
    with server.monitor() as monitor:  # type: ignore[no-untyped-call]
        storage.change_alarm("x", Alarm(500))
        await storage.sync()
        await backend.take_due(0, until_ms=0, count_max=1)
        writes = []
        while "asked" not in writes:
            command = await asyncio.to_thread(monitor.next_command)
            words = command["command"].split()
            if words[0] == "ZADD":
                writes.append("ZADD LT" if "LT" in words else "ZADD")
            elif words[0] == "HSET" and words[1].endswith(":r") and words[-2].endswith("t:x"):
                writes.append("HSET truth")
            elif words[0] == "ZRANGEBYSCORE":
                writes.append("asked")
    assert writes == ["ZADD LT", "HSET truth", "ZADD", "asked"]
    await backend.close()


async def test_a_space_is_shown_and_taken_in_a_cluster(cluster_url: str) -> None:
    """Where index and space are on different servers."""
    connection = await connect(cluster_url)
    assert isinstance(connection, ClusterConnection)
    backend = RedisBackend(connection)
    spaces = [f"chat/{number}" for number in range(3 * ALARM_INDEX_PARTS)]
    for space in spaces:
        storage = OwnedStorage(backend, await backend.claim(space, owner="a", address=""))
        storage.change_alarm("x", Alarm(500))
        await storage.close()
    assert await backend.take_due(499, until_ms=900, count_max=1000) == []
    taken = await backend.take_due(500, until_ms=900, count_max=1000)
    assert sorted(taken) == sorted(spaces)
    await backend.close()
