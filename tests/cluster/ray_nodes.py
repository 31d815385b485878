"""Ray on hosts: `ray start` on each, all with one token, ended by Ray or without a word.

Ports are those of cluster.yaml. Each host has few processors of the machine's in Ray's books and
a small object store: many nodes share one machine here, and rooms use neither.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .host import Host
from .network import Network
from .valkey_host import ValkeyHost

GCS_PORT = 6380
DASHBOARD_PORT = 8265
CPUS = 2
OBJECT_STORE_BYTES = 80 * 1024 * 1024  # the least that Ray takes is 75 MiB
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
NODES_TIMEOUT_S = 30.0
TOKEN_FILE = ".ray/auth_token"
SETTINGS = {"RAY_AUTH_MODE": "token", "RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
# In a driver on a host: which nodes are alive, once there are as many as expected.
WAIT_FOR_NODES = """
import json, sys, time
import ray
ray.init(address="auto", logging_level="error", log_to_driver=False)
deadline = time.monotonic() + float(sys.argv[2])
while True:
    nodes = {n["NodeManagerAddress"]: n["NodeID"] for n in ray.nodes() if n["Alive"]}
    if len(nodes) == int(sys.argv[1]) or time.monotonic() > deadline:
        break
    time.sleep(0.1)
print(json.dumps(nodes))
"""


class RayNodes:
    """The Ray nodes of one cluster; the first that is started is its head.

    With `state`, Ray keeps there what the head knows, and the head may be started again. With
    `settings`, every command on a host has these variables, too.
    """

    def __init__(
        self,
        network: Network,
        state: ValkeyHost | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._network = network
        self._state = state
        self._settings = SETTINGS | dict(settings or {})
        self._nodes: dict[str, Host] = {}
        self.token = secrets.token_hex(32)

    @property
    def head(self) -> Host:
        """The host that the others join."""
        return next(iter(self._nodes.values()))

    @property
    def hosts(self) -> list[Host]:
        """Those on which a node was started and neither stopped nor killed."""
        return list(self._nodes.values())

    @property
    def dashboard_url(self) -> str:
        """Of the head's dashboard and job server, as the test and every host reach it."""
        return f"http://{self.head.address}:{DASHBOARD_PORT}"

    @property
    def outside_environment(self) -> dict[str, str]:
        """For a program of the test's own that talks to the cluster, such as `ray job submit`."""
        others = {name: value for name, value in os.environ.items() if "RAY_" not in name}
        return others | SETTINGS | {"RAY_AUTH_TOKEN": self.token}

    def start(self, *hosts: Host) -> None:
        """Start nodes: the head alone if there is none yet, then all others at the same time."""
        joining = list(hosts)
        if not self._nodes:
            self._start_one(joining.pop(0))
        with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
            list(pool.map(self._start_one, joining))

    def start_with(self, host: Host, resources: Mapping[str, float]) -> None:
        """Start a node that has something which Ray knows by name."""
        self._start_one(host, f"--resources={json.dumps(resources)}")

    def start_head_again(self, host: Host) -> None:
        """Start the head that was killed, on the state that was kept."""
        others, self._nodes = self._nodes, {}
        self._start_one(host)
        self._nodes |= others

    def add(self, name: str) -> Host:
        """A new host with a node on it."""
        host = self._network.add_host(name)
        self.start(host)
        return host

    def stop(self, host: Host) -> None:
        """Stop the node as its administrator would; the host stays on."""
        host.run("ray", "stop", timeout_s=STOP_TIMEOUT_S)
        self._nodes.pop(host.name, None)

    def kill(self, host: Host) -> None:
        """Kill all processes of the host at once; the host stays on, and closes connections."""
        host.kill_processes()
        self._nodes.pop(host.name, None)

    def power_off(self, host: Host) -> None:
        """End the host: from one moment to the next nothing answers at its address."""
        host.end()
        self._nodes.pop(host.name, None)

    def run(
        self, host: Host, *command: str | Path, timeout_s: float = 60.0, status: int | None = 0
    ) -> str:
        """Run a command on a host with what it needs to be let into the cluster."""
        return host.run(*command, environment=self._settings, timeout_s=timeout_s, status=status)

    def alive(self, count: int, asked: Host | None = None) -> Mapping[str, str]:
        """Node ids by address as a driver on `asked` (the head) sees them: once there are `count`,
        else after NODES_TIMEOUT_S as they are."""
        command = ("python", "-c", WAIT_FOR_NODES, str(count), str(NODES_TIMEOUT_S))
        printed = self.run(asked or self.head, *command, timeout_s=NODES_TIMEOUT_S + 30.0)
        nodes: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return nodes

    def _start_one(self, host: Host, *more_options: str) -> None:
        token = host.path(TOKEN_FILE)
        token.parent.mkdir(mode=0o700, exist_ok=True)
        token.write_text(self.token)
        token.chmod(0o600)
        where = ["--head", f"--port={GCS_PORT}", "--dashboard-host=0.0.0.0"]
        if self._nodes:
            where = [f"--address={self.head.address}:{GCS_PORT}"]
        options = [f"--num-cpus={CPUS}", f"--object-store-memory={OBJECT_STORE_BYTES}"]
        options += ["--node-manager-port=6381", "--object-manager-port=6382"]
        options += ["--runtime-env-agent-port=6383"]
        options += ["--min-worker-port=10002", "--max-worker-port=10999"]
        settings = dict(self._settings)
        if self._state is not None and not self._nodes:
            settings["RAY_REDIS_ADDRESS"] = self._state.address
            options.append(f"--redis-password={self._state.password}")
        start = ("ray", "start", *where, *options, *more_options)
        host.run(*start, environment=settings, timeout_s=START_TIMEOUT_S)
        self._nodes[host.name] = host
