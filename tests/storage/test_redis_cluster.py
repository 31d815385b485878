"""ClusterConnection against a real cluster of three processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from parlour.storage.redis_cluster import ClusterConnection, connect
from parlour.storage.redis_commands import ConnectionLimits
from parlour.storage.redis_connection import RedisConnection
from parlour.storage.server_errors import CommandFailed, ConnectionClosed, ServerUnavailable

from ..support.redis_cluster import RedisCluster

PUSH = "return redis.call('RPUSH', KEYS[1], ARGV[1])"
KEYS = [f"parlour:{{room/{number}}}:r" for number in range(100)]

Open = Callable[..., Awaitable[ClusterConnection]]


@pytest.fixture
async def open_cluster() -> AsyncIterator[Open]:
    """Opens connections to clusters that are closed after the test."""
    opened: list[ClusterConnection] = []

    async def open_one(url: str, **limits: float) -> ClusterConnection:
        connection = await connect(url, limits=ConnectionLimits(**limits))  # type: ignore[arg-type]
        assert isinstance(connection, ClusterConnection)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        await connection.close()


async def test_a_single_server_is_no_cluster(valkey_url: str) -> None:
    """`connect` finds out by itself what it is connected to."""
    connection = await connect(valkey_url)
    assert isinstance(connection, RedisConnection)
    await connection.close()


async def test_commands_go_where_their_keys_are(
    redis_cluster: RedisCluster, cluster_url: str, open_cluster: Open
) -> None:
    """A hundred rooms spread over all nodes, plain commands and scripts alike."""
    connection = await open_cluster(cluster_url)
    push = connection.script(PUSH)
    await asyncio.gather(*[push([key], ["a"]) for key in KEYS])
    await asyncio.gather(*[connection.execute("RPUSH", key, "b") for key in KEYS])
    values = await asyncio.gather(*[connection.execute("LRANGE", key, 0, -1) for key in KEYS])
    assert values == [[b"a", b"b"]] * 100
    counts = [node.ask("DBSIZE") for node in redis_cluster.nodes]
    assert sum(counts) == 100
    assert min(counts) > 10
    assert len(await connection.primaries()) == 3
    assert await connection.execute("PING") == b"PONG"


async def test_a_moved_slot_is_followed(
    redis_cluster: RedisCluster, cluster_url: str, open_cluster: Open
) -> None:
    """Under load, while the slot moves to another node with its keys: nothing lost or twice."""
    connection = await open_cluster(cluster_url)
    push = connection.script(PUSH)
    key = KEYS[0]
    await push([key], [0])
    owner = redis_cluster.owner(key)
    to = next(node for node in redis_cluster.nodes if node is not owner)

    async def load() -> int:
        count = 1
        while not moved.done() or count < 100:
            await push([key], [count])
            count += 1
        return count

    moved = asyncio.ensure_future(asyncio.to_thread(lambda: move(redis_cluster, key, to)))
    count = await load()
    await moved
    assert redis_cluster.owner(key) is to
    assert "errorstat_MOVED" in owner.error_counts()
    assert await connection.execute("LRANGE", key, 0, -1) == [
        str(number).encode() for number in range(count)
    ]


def move(cluster: RedisCluster, key: str, to: object) -> None:
    cluster.begin_move(key, to)  # type: ignore[arg-type]
    cluster.finish_move(key, to)  # type: ignore[arg-type]


async def test_a_key_of_a_half_moved_slot_is_sought_at_both_ends(
    redis_cluster: RedisCluster, cluster_url: str, open_cluster: Open
) -> None:
    """ASK: this command alone goes to the new node, a script that it does not know included."""
    connection = await open_cluster(cluster_url)
    here, there = "{half}:here", "{half}:there"
    await connection.execute("SET", here, "old node")
    owner = redis_cluster.owner(here)
    to = next(node for node in redis_cluster.nodes if node is not owner)
    redis_cluster.begin_move(here, to)
    try:
        assert await connection.script(PUSH)([there], ["new node"]) == 1
        assert await connection.execute("LRANGE", there, 0, -1) == [b"new node"]
        assert await connection.execute("GET", here) == b"old node"
        assert "errorstat_ASK" in owner.error_counts()
        both = connection.execute("EXISTS", here, there)
        await asyncio.to_thread(redis_cluster.finish_move, here, to)
        assert await both == 2  # TRYAGAIN until then: neither node has both keys
    finally:
        if redis_cluster.owner(here) is owner:
            redis_cluster.finish_move(here, to)


async def test_keys_of_two_slots_in_one_command_are_the_callers_error(
    cluster_url: str, open_cluster: Open
) -> None:
    """The cluster's own answer is passed on."""
    connection = await open_cluster(cluster_url)
    with pytest.raises(CommandFailed, match="CROSSSLOT"):
        await connection.execute("MGET", "{a}", "{b}")


async def test_a_primary_that_dies_is_replaced_by_its_replica(
    tmp_path: Path, open_cluster: Open
) -> None:
    """Commands that may be repeated are answered by the replica that took over."""
    with RedisCluster(tmp_path) as cluster:
        connection = await open_cluster(cluster.url)
        key = next(key for key in KEYS if cluster.owner(key) is cluster.nodes[1])
        replica = cluster.add_replica(cluster.nodes[1])
        assert await connection.execute("SET", key, 1) == b"OK"
        assert await connection.execute("WAIT", 1, 5000, key=key) == 1
        cluster.nodes[1].process.kill()
        replies = [connection.execute("INCR", key, repeat=True) for _ in range(10)]
        assert await asyncio.gather(*replies) == list(range(2, 12))
        assert cluster.owner(key) is replica


async def test_nobody_waits_longer_than_the_patience_for_a_lost_slot(
    tmp_path: Path, open_cluster: Open
) -> None:
    """A primary without a replica is gone: its rooms learn it, the error names the trouble."""
    with RedisCluster(tmp_path) as cluster:
        connection = await open_cluster(cluster.url, patience_s=2.0)
        key = next(key for key in KEYS if cluster.owner(key) is cluster.nodes[1])
        await connection.execute("SET", key, 1)
        cluster.nodes[1].process.kill()
        with pytest.raises((ServerUnavailable, CommandFailed), match="no answer|CLUSTERDOWN"):
            await connection.execute("INCR", key, repeat=True)


async def test_a_closed_cluster_connection_leaves_nobody_waiting(
    cluster_url: str, open_cluster: Open
) -> None:
    """What is outstanding at any node fails, and so does what comes later."""
    connection = await open_cluster(cluster_url)
    waiting = [connection.execute("BLPOP", key, 0) for key in KEYS[:5]]
    await connection.close()
    errors = await asyncio.gather(*waiting, connection.execute("PING"), return_exceptions=True)
    assert {type(error) for error in errors} == {ConnectionClosed}
