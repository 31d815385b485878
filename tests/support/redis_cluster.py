"""A Redis Cluster of real processes: three primaries, and replicas on request."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis
from parlour.storage.embedded_process import find_server
from redis.crc import key_slot

from .redis_process import RedisProcess

PATIENCE_S = 20.0
SLOTS = 16384


class ClusterNode:
    """One process of the cluster and a client that speaks to it alone."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port, self._bus_port = free_port(), free_port()
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--appendonly", "yes"]
        arguments += ["--appendfsync", "always"]
        arguments += ["--cluster-enabled", "yes", "--cluster-port", str(self._bus_port)]
        arguments += ["--cluster-node-timeout", "500", "--repl-diskless-sync-delay", "0"]
        self.process = RedisProcess(find_server(), folder, *arguments)

    def ask(self, *command: object) -> Any:
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*command)

    def error_counts(self) -> str:
        """The error replies that the node gave, as INFO counts them."""
        return str(self.ask("INFO", "errorstats"))

    @property
    def id(self) -> str:
        return str(self.ask("CLUSTER", "MYID").decode())

    def meet(self, other: ClusterNode) -> None:
        self.ask("CLUSTER", "MEET", "127.0.0.1", other.port, other._bus_port)


class RedisCluster:
    """Slots are shared out evenly over three primaries, in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.nodes: list[ClusterNode] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.nodes[0].port}"

    def owner(self, key: str) -> ClusterNode:
        """The primary that has the slot of `key` in the first node's view."""
        slot = key_slot(key.encode())
        for first, last, primary, *_ in self.nodes[-1].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == primary[1])
        raise AssertionError(f"nobody has slot {slot}")

    def begin_move(self, key: str, to: ClusterNode) -> None:
        """Half move the slot of `key`: its owner says to seek at `to` the keys that it lacks."""
        slot, owner = key_slot(key.encode()), self.owner(key)
        to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", owner.id)
        owner.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)

    def finish_move(self, key: str, to: ClusterNode) -> None:
        """Move the keys of the slot of `key`, and the slot itself."""
        slot, owner, target_id = key_slot(key.encode()), self.owner(key), to.id
        keys = owner.ask("CLUSTER", "GETKEYSINSLOT", slot, 1000)
        if keys:
            owner.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "REPLACE", "KEYS", *keys)
        for node in (to, owner):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        self._wait(lambda: self.owner(key) is to, "the move is known to all")

    def add_replica(self, of: ClusterNode) -> ClusterNode:
        """Start one more node that copies `of`, and wait until it is in step."""
        replica = self._start_node()
        self.nodes[-1].meet(replica)
        of_id = of.id
        self.nodes.append(replica)
        self._wait(lambda: of_id in str(replica.ask("CLUSTER", "NODES")), "the replica knows it")
        replica.ask("CLUSTER", "REPLICATE", of_id)
        self._wait(lambda: replica.ask("ROLE")[3] == b"connected", "the replica is in step")
        return replica

    def __enter__(self) -> Self:
        self.nodes = [self._start_node() for _ in range(3)]
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
            self.nodes[0].meet(node)
        for node in self.nodes:
            self._wait(
                lambda node=node: (
                    b"cluster_state:ok" in node.ask("CLUSTER", "INFO")
                    and len(node.ask("CLUSTER", "SLOTS")) == 3
                ),
                "all nodes know all slots",
            )
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def _start_node(self) -> ClusterNode:
        node = ClusterNode(self._folder / f"node{len(list(self._folder.iterdir()))}")
        self._stack.enter_context(node.process)
        return node

    def _wait(self, happened: Any, what: str) -> None:
        patience = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < patience, f"waited in vain until {what}"
            time.sleep(0.01)


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
