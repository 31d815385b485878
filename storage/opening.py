"""The rooms' server by its URL: the way in for the layers above."""

from __future__ import annotations

import redis

from .limits import StorageLimits
from .redis_backend import RedisBackend
from .redis_cluster import connect
from .redis_commands import ConnectionLimits
from .redis_url import RedisUrl
from .sentinel_client import open_sentinel_client
from .server_promises import ServerPromises, read_promises

FIRST_LOOK_PATIENCE_S = 5.0

BlockingClient = redis.Redis | redis.RedisCluster


def open_blocking(url: str, *, timeout_s: float) -> BlockingClient:
    """A client for a thread of its own, of a server or of the cluster that it is a node of.

    With Sentinels in the URL it asks them before each command, and follows a fail-over.

    Raises:
        InvalidServerUrl: If `url` names no server.
        redis.RedisError: If it does not answer.
    """
    parsed = RedisUrl.parse(url)
    if parsed.sentinels is not None:
        return open_sentinel_client(parsed, timeout_s=timeout_s)
    client = redis.Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
    info = client.info("cluster")
    assert isinstance(info, dict)
    if not info.get("cluster_enabled"):
        return client
    client.close()
    return redis.RedisCluster.from_url(
        url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
    )


async def open_backend(url: str, *, limits: StorageLimits | None = None) -> RedisBackend:
    """Connect to a server, or to the cluster that it is a node of.

    Raises:
        InvalidServerUrl: If `url` names no server.
        ServerUnavailable: If it does not answer or does not let us in.
    """
    return RedisBackend(await connect(url), limits=limits)


async def look_at_server(url: str) -> ServerPromises:
    """What the server at `url` promises, or why it cannot be used; takes some seconds at most.

    Raises:
        InvalidServerUrl: If `url` names no server.
        ServerUnavailable: If it does not answer or does not let us in.
        UnsuitableServer: If it is too old, or might evict what rooms store.
    """
    limits = ConnectionLimits(patience_s=FIRST_LOOK_PATIENCE_S)
    connection = await connect(url, limits=limits, name="parlour-look")
    try:
        return await read_promises(connection)
    finally:
        await connection.close()
