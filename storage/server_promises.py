"""What a server really promises about the data it is given, as it says itself.

Promise: nothing is assumed. What a managed server does not tell is "unknown" here, and what would
break storage whatever else is true (data evicted, a replica, a server too old) is refused.
Not here: what Parlour does with the answer; it is shown at start and decides no behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .redis_cluster import ClusterConnection
from .redis_connection import RedisConnection
from .server_errors import CommandFailed, UnsuitableServer

OLDEST_REDIS = (6, 2)

Durability = Literal["memory", "unknown", "everysec", "fsync"]
# From least to most, as a cluster's promise is that of its weakest node.
DURABILITIES: tuple[Durability, ...] = ("memory", "unknown", "everysec", "fsync")

_DURABILITY_SENTENCES: dict[Durability, str] = {
    "memory": "an acknowledged write can be lost when the server stops",
    "unknown": "it does not tell when its log reaches the disk, so count on losing "
    "acknowledged writes when it stops",
    "everysec": "up to two seconds of acknowledged writes can be lost when the server stops",
    "fsync": "an acknowledged write is on its disk",
}


_SETTINGS = (
    "appendfsync",
    "maxmemory-policy",
    "no-appendfsync-on-rewrite",
    "min-replicas-to-write",
    "min-replicas-max-lag",
)


@dataclass(frozen=True)
class ServerPromises:
    """One server's promises, or the weakest of a cluster's.

    Attributes:
        software: `Redis`, `Valkey`, or what it calls itself.
        version: As in `7.2.4`.
        appendonly: Whether it keeps a log of writes.
        appendfsync: `always`, `everysec`, `no` or `unknown`: when the log reaches the disk.
        skips_fsync_in_rewrite: It stops forcing the log to disk while it rewrites it
            (`no-appendfsync-on-rewrite`), which weakens `always` and `everysec` to memory.
        maxmemory_policy: `noeviction`, or `unknown` where it does not tell.
        replicas: How many are connected now. They are fed after the acknowledgement.
        is_cluster: Whether it is a node of a Redis Cluster.
        min_replicas: It refuses writes while fewer are fed (`min-replicas-to-write`); None where
            it does not tell.
        lag_s_max: For how long a silent one counts as fed (`min-replicas-max-lag`).
        is_watched: Whether Sentinels replace it when it fails.
    """

    software: str
    version: str
    appendonly: bool
    appendfsync: str
    skips_fsync_in_rewrite: bool
    maxmemory_policy: str
    replicas: int
    is_cluster: bool
    min_replicas: int | None = None
    lag_s_max: int | None = None
    is_watched: bool = False

    @property
    def durability(self) -> Durability:
        """The level at which an acknowledged write is safe if the server's machine stops."""
        if not self.appendonly or self.skips_fsync_in_rewrite:
            return "memory"
        known: dict[str, Durability] = {"always": "fsync", "everysec": "everysec", "no": "memory"}
        return known.get(self.appendfsync, "unknown")

    def describe(self) -> str:
        """One sentence for the log of a start."""
        where = f"{self.software} {self.version}" + " (cluster)" * self.is_cluster
        log = f"appendfsync {self.appendfsync}" if self.appendonly else "no append-only log"
        if self.appendonly and self.skips_fsync_in_rewrite:
            log += ", not while it rewrites its log"
        sentence = f"{where}, {log}: {_DURABILITY_SENTENCES[self.durability]}"
        return sentence + self._describe_failover()

    def _describe_failover(self) -> str:
        if not self.replicas:
            return "; no replica is connected to take its place" * self.is_watched
        noun = "replica" if self.replicas == 1 else "replicas"
        sentence = f"; a fail-over to its {self.replicas} {noun} can lose the newest ones"
        if self.min_replicas:
            return f"{sentence}, of up to {self.lag_s_max} s (min-replicas-max-lag)"
        if self.is_watched and self.min_replicas == 0:
            sentence += (
                ", and one that is cut off goes on taking writes that will be lost: "
                "set min-replicas-to-write to 1"
            )
        return sentence


async def read_promises(connection: RedisConnection | ClusterConnection) -> ServerPromises:
    """Ask the server, or every primary of a cluster, and give the weakest answer.

    Raises:
        UnsuitableServer: If it evicts data, is a replica, or is older than Redis 6.2.
        ServerError: If it cannot be asked.
    """
    if isinstance(connection, RedisConnection):
        return await _read_one(connection)
    answers = [await _read_one(node) for node in await connection.primaries()]
    return min(answers, key=lambda answer: DURABILITIES.index(answer.durability))


async def _read_one(connection: RedisConnection) -> ServerPromises:
    info = parse_info(await connection.execute("INFO", repeat=True))
    config = await _config(connection, *_SETTINGS)
    promises = interpret(info, config)
    if connection.url.sentinels is not None:
        promises = replace(promises, is_watched=True)
    refuse_unsuitable(str(connection.url), promises, info)
    return promises


async def _config(connection: RedisConnection, *names: str) -> dict[str, str]:
    """The named settings, as far as the server shows them."""
    settings: dict[str, str] = {}
    for name in names:  # one by one: several in one CONFIG GET need Redis 7
        try:
            reply: list[bytes] = await connection.execute("CONFIG", "GET", name, repeat=True)
        except CommandFailed:
            return {}  # forbidden, as managed servers do: INFO has to do
        if len(reply) == 2:
            settings[name] = reply[1].decode("utf-8", "replace")
    return settings


def parse_info(reply: bytes) -> dict[str, str]:
    """INFO's lines as a dict."""
    lines = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def interpret(info: dict[str, str], config: dict[str, str]) -> ServerPromises:
    """What INFO and CONFIG GET, where it is allowed, say together."""
    valkey_version = info.get("valkey_version")
    software = "Valkey" if valkey_version else info.get("server_name", "Redis").capitalize()
    return ServerPromises(
        software=software,
        version=valkey_version or info.get("redis_version", "unknown"),
        appendonly=info.get("aof_enabled") == "1",
        appendfsync=config.get("appendfsync", "unknown"),
        skips_fsync_in_rewrite=config.get("no-appendfsync-on-rewrite") == "yes",
        maxmemory_policy=info.get("maxmemory_policy") or config.get("maxmemory-policy", "unknown"),
        replicas=int(info.get("connected_slaves", "0")),
        is_cluster=info.get("cluster_enabled") == "1",
        min_replicas=_number(config, "min-replicas-to-write"),
        lag_s_max=_number(config, "min-replicas-max-lag"),
    )


def _number(config: dict[str, str], name: str) -> int | None:
    return int(config[name]) if name in config else None


def refuse_unsuitable(server: str, promises: ServerPromises, info: dict[str, str]) -> None:
    """Raise UnsuitableServer for what no setting of Parlour could make good."""
    # Valkey also gives the version of Redis that it is compatible with.
    redis_version = info.get("redis_version", promises.version)
    numbers = tuple(int(part) for part in redis_version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_REDIS:
        raise UnsuitableServer(
            server,
            f"is {promises.software} {promises.version}",
            "the oldest that works is Redis 6.2; upgrade it",
        )
    if info.get("role") == "slave":
        raise UnsuitableServer(
            server, "is a replica and takes no writes", "give the URL of its primary"
        )
    if promises.maxmemory_policy not in ("noeviction", "unknown"):
        raise UnsuitableServer(
            server,
            f"evicts data when memory is short (maxmemory-policy {promises.maxmemory_policy}), "
            "which would delete parts of rooms and their claims",
            "set maxmemory-policy to noeviction there",
        )
