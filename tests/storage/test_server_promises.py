"""What a server promises, read from real servers and from what others are known to answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.storage.embedded import EmbeddedServer
from parlour.storage.embedded_process import find_server
from parlour.storage.redis_cluster import connect
from parlour.storage.redis_connection import RedisConnection
from parlour.storage.server_errors import UnsuitableServer
from parlour.storage.server_promises import (
    ServerPromises,
    interpret,
    read_promises,
    refuse_unsuitable,
)

from ..support.redis_cluster import RedisCluster
from ..support.redis_process import RedisProcess


@pytest.fixture
async def own_valkey(tmp_path: Path) -> AsyncIterator[RedisConnection]:
    """A connection to a Valkey whose settings the test may change."""
    with EmbeddedServer(tmp_path) as server:
        connection = RedisConnection(server.url)
        yield connection
        await connection.close()


async def test_the_embedded_server_promises_fsync(valkey_url: str) -> None:
    """What EmbeddedServer sets up is what the server says that it does."""
    connection = RedisConnection(valkey_url)
    promises = await read_promises(connection)
    await connection.close()
    assert promises.software == "Valkey"
    assert promises.version.startswith("9.")
    assert promises.durability == "fsync"
    assert promises.describe() == (
        f"Valkey {promises.version}, appendfsync always: an acknowledged write is on its disk"
    )


async def test_debians_redis_is_read_as_well(redis_url: str) -> None:
    """The same questions are understood by the older server."""
    connection = RedisConnection(redis_url)
    promises = await read_promises(connection)
    await connection.close()
    assert (promises.software, promises.durability) == ("Redis", "fsync")
    assert promises.version >= "6.2"


@pytest.mark.parametrize(
    ("settings", "durability"),
    [
        ({"appendfsync": "everysec"}, "everysec"),
        ({"appendfsync": "no"}, "memory"),
        ({"appendonly": "no"}, "memory"),
        ({"no-appendfsync-on-rewrite": "yes"}, "memory"),
    ],
)
async def test_settings_that_weaken_the_promise_are_seen(
    own_valkey: RedisConnection, settings: dict[str, str], durability: str
) -> None:
    """Each alone takes `fsync` away; the last one because rewriting the log suspends it."""
    for name, value in settings.items():
        await own_valkey.execute("CONFIG", "SET", name, value)
    promises = await read_promises(own_valkey)
    assert promises.durability == durability
    assert "can be lost when the server stops" in promises.describe()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
async def test_a_server_that_evicts_is_refused(own_valkey: RedisConnection, policy: str) -> None:
    """Also one that evicts only what has a time to live, as leases have."""
    await own_valkey.execute("CONFIG", "SET", "maxmemory-policy", policy)
    with pytest.raises(UnsuitableServer, match=f"{policy}.*set maxmemory-policy to noeviction"):
        await read_promises(own_valkey)


async def test_a_replica_is_refused(own_valkey: RedisConnection) -> None:
    """Every commit would fail; better to say so at the start."""
    await own_valkey.execute("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(UnsuitableServer, match="is a replica .*give the URL of its primary"):
        await read_promises(own_valkey)


async def test_a_server_that_hides_its_settings_is_not_trusted_with_more(tmp_path: Path) -> None:
    """Without CONFIG, as on managed servers: INFO tells of eviction, the rest is unknown."""
    with RedisProcess(
        find_server(), tmp_path, "--appendonly", "yes", "--rename-command", "CONFIG", ""
    ) as server:
        connection = RedisConnection(server.url)
        promises = await read_promises(connection)
        await connection.close()
    assert promises.maxmemory_policy == "noeviction"
    assert (promises.appendfsync, promises.durability) == ("unknown", "unknown")
    assert "does not tell" in promises.describe()


async def test_a_cluster_promises_what_its_weakest_node_does(
    redis_cluster: RedisCluster, cluster_url: str
) -> None:
    """A room's slot may be on any node."""
    connection = await connect(cluster_url)
    try:
        assert (await read_promises(connection)).durability == "fsync"
        redis_cluster.nodes[2].ask("CONFIG", "SET", "appendfsync", "everysec")
        promises = await read_promises(connection)
        assert (promises.durability, promises.is_cluster) == ("everysec", True)
        assert "(cluster)" in promises.describe()
        redis_cluster.nodes[1].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        with pytest.raises(UnsuitableServer):
            await read_promises(connection)
    finally:
        redis_cluster.nodes[1].ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        redis_cluster.nodes[2].ask("CONFIG", "SET", "appendfsync", "always")
        await connection.close()


@pytest.mark.parametrize("version", ["6.0.16", "5.0.7", "2.8.24"])
def test_a_server_that_is_too_old_is_refused(version: str) -> None:
    """The error names what it is and what is needed."""
    info = {"redis_version": version}
    with pytest.raises(UnsuitableServer, match=f"is Redis {version}; the oldest .* Redis 6.2"):
        refuse_unsuitable("redis://old", interpret(info, {}), info)


@pytest.mark.parametrize("version", ["6.2.0", "7.4.1", "8.0.2", "10.0.0"])
def test_a_server_that_is_new_enough_is_not(version: str) -> None:
    """Versions are compared as numbers."""
    info = {"redis_version": version, "maxmemory_policy": "noeviction"}
    refuse_unsuitable("redis://new", interpret(info, {}), info)


def test_a_failover_is_named_as_the_hole_it_is() -> None:
    """Replicas are fed after the acknowledgement, whatever the disk promises."""
    promises = ServerPromises("Redis", "7.2.4", True, "always", False, "noeviction", 2, False)
    assert promises.describe().endswith("a fail-over to its 2 replicas can lose the newest ones")
