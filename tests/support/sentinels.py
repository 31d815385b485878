"""A primary, a replica and three Sentinels as real processes on loopback."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis
from parlour.storage.embedded_process import find_server

from .redis_cluster import free_port
from .redis_process import RedisProcess

SERVICE = "rooms"
DOWN_AFTER_MS = 1000
PATIENCE_S = 20.0


class Node:
    """One server or Sentinel: its process, and a client that speaks to it alone."""

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        folder.mkdir()
        self.port = port
        self.process = RedisProcess(
            find_server(), folder, "--port", str(port), "--bind", "127.0.0.1", *arguments
        )

    def ask(self, *command: object) -> Any:
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            return client.execute_command(*command)

    def wait_for_client(self, name: str) -> None:
        """Return when a client of that name is connected here."""
        with redis.Redis(port=self.port, socket_timeout=5) as us:
            wait_until(
                lambda: any(client["name"] == name for client in us.client_list()),
                f"{name} is connected",
            )

    def wait_until_alone(self) -> None:
        """Return when the primary counts no replica as fed."""
        with redis.Redis(port=self.port, socket_timeout=5) as us:
            wait_until(lambda: us.info("replication")["min_slaves_good_slaves"] == 0, "it is alone")

    def wait_until_refusing(self) -> None:
        """Return when the primary has refused a write for having no replica."""
        with redis.Redis(port=self.port, socket_timeout=5) as us:
            wait_until(
                lambda: "errorstat_NOREPLICAS" in us.info("errorstats"), "it has refused a write"
            )


class WatchedServers:
    """Two servers, the first one primary at the start, and the Sentinels that watch them."""

    def __init__(self, folder: Path, *, down_after_ms: int = DOWN_AFTER_MS) -> None:
        self._stack = ExitStack()
        first, second = free_port(), free_port()
        durable = ("--appendonly", "yes", "--appendfsync", "always")
        fast = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        replica_of = ("--replicaof", "127.0.0.1", str(first))
        self.servers = [
            Node(folder / "first", first, *durable, *fast),
            Node(folder / "second", second, *durable, *fast, *replica_of),
        ]
        self.sentinels = [
            _sentinel(folder / f"sentinel{number}", first, down_after_ms) for number in range(3)
        ]

    @property
    def url(self) -> str:
        return self.url_of(SERVICE)

    def url_of(self, service: str, options: str = "") -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{service}{options}"

    @property
    def primary(self) -> Node:
        """The server that the first Sentinel names."""
        port = int(self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
        return next(server for server in self.servers if server.port == port)

    @property
    def replica(self) -> Node:
        return next(server for server in self.servers if server is not self.primary)

    def wait_until_in_step(self) -> None:
        """Return when the replica has all that the primary has, and the Sentinels know it."""
        primary, replica = self.primary, self.replica

        def in_step() -> bool:
            role = replica.ask("ROLE")
            known = all(self._knows(sentinel, replica) for sentinel in self.sentinels)
            is_fed = role[0] == b"slave" and role[3] == b"connected"
            return bool(is_fed and known and role[4] == primary.ask("ROLE")[1])

        wait_until(in_step, "the replica is in step")

    def wait_until_replica(self, server: Node) -> None:
        """Return when `server` copies the primary: Sentinels give one that comes back 10 s."""

        def is_fed() -> bool:
            role = server.ask("ROLE")
            return bool(role[0] == b"slave" and role[3] == b"connected")

        wait_until(is_fed, "a server that came back is fed by the primary")

    def wait_until_fed(self) -> None:
        """Return when the replica has everything that was acknowledged before the call."""
        with redis.Redis(port=self.primary.port) as client:
            client.set("marker", "1")
            assert client.wait(1, int(PATIENCE_S * 1000)) == 1

    def cut_replication(self) -> None:
        """From now on the replica learns nothing; a fail-over to it loses what comes."""
        self.replica.ask("REPLICAOF", "127.0.0.1", "1")

    def wait_for_failover(self, old: Node) -> None:
        """Return when every Sentinel names another primary than `old`."""

        def done() -> bool:
            named = [s.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE) for s in self.sentinels]
            return all(int(port) != old.port for _, port in named)

        wait_until(done, "the Sentinels name another primary")

    def _knows(self, sentinel: Node, replica: Node) -> bool:
        """Whether a fail-over by this Sentinel would find the replica."""
        with redis.Redis(port=sentinel.port, socket_timeout=5) as client:
            return any(
                known["port"] == replica.port
                and known["flags"] == "slave"  # and neither down nor disconnected
                and known["master-link-status"] == "ok"
                for known in client.sentinel_slaves(SERVICE)
            )

    def __enter__(self) -> Self:
        for node in (*self.servers, *self.sentinels):
            self._stack.enter_context(node.process)
        wait_until(self._all_know_all, "all Sentinels know each other and the replica")
        self.wait_until_in_step()
        return self

    def _all_know_all(self) -> bool:
        others = [len(s.ask("SENTINEL", "SENTINELS", SERVICE)) for s in self.sentinels]
        return others == [2, 2, 2] and all(self._knows(s, self.replica) for s in self.sentinels)

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


def _sentinel(folder: Path, primary_port: int, down_after_ms: int) -> Node:
    port = free_port()
    config = folder / "sentinel.conf"
    node = Node(folder, port)
    config.write_text(
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary_port} 2\n"
        f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}\n"
        f"sentinel failover-timeout {SERVICE} 2000\n"
    )
    node.process = RedisProcess(
        find_server(), folder, "--port", str(port), "--bind", "127.0.0.1", config=config
    )
    return node


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Look again and again; the servers tell nobody by themselves."""
    patience = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < patience, f"waited in vain until {what}"
        time.sleep(0.02)
