"""Parlour on the hosts' Ray cluster, driven as an operator drives it: by its commands."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .host import Host
from .ray_nodes import RayNodes
from .valkey_host import ValkeyHost

ROOMS = Path(__file__).with_name("rooms.py")
PORT = 1999
COMMAND_TIMEOUT_S = 120.0
LOOK_AGAIN_S = 0.3


class ParlourOnNodes:
    """Runs `parlour ...` on the head, or as somebody outside who has the token."""

    def __init__(self, nodes: RayNodes, valkey: ValkeyHost) -> None:
        self.nodes = nodes
        self.valkey = valkey

    def run(self, *command: str | Path, status: int | None = 0) -> str:
        """A command on the head; all that it printed."""
        on_head = ("python", "-m", "parlour", *command)
        return self.nodes.run(self.nodes.head, *on_head, timeout_s=COMMAND_TIMEOUT_S, status=status)

    def start(self) -> str:
        """Start it on every node."""
        return self.run("start", "--redis", self.valkey.url)

    def stop(self) -> None:
        """Stop it on every node."""
        self.run("stop")

    def deploy(self, path: Path, *options: str, status: int = 0) -> str:
        """Deploy from outside, by a job; all that was printed."""
        command = [sys.executable, "-m", "parlour", "deploy", str(path), *options]
        done = subprocess.run(
            [*command, "--address", self.nodes.dashboard_url],
            env=self.nodes.outside_environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == status, f"it ended with {done.returncode}:\n{printed}"
        return printed

    def status(self) -> dict[str, Any]:
        """What `parlour status` says, as data."""
        found: dict[str, Any] = json.loads(self.run("status", "--json").splitlines()[-1])
        return found

    def node(self, host: Host) -> dict[str, Any] | None:
        """What is said of one node; None if it is not there."""
        nodes = [node for node in self.status()["nodes"] if node["host"] == host.address]
        return nodes[0] if nodes else None

    def current_version(self) -> int:
        """What is deployed."""
        return int(next(v["version"] for v in self.status()["versions"] if v["current"]))

    def wait_until_ready(self, host: Host) -> None:
        """Until the node has its gateway, and a standby with what is deployed."""
        give_up_s = time.monotonic() + COMMAND_TIMEOUT_S
        while time.monotonic() < give_up_s:
            node = self.node(host)
            if node is not None and node["ready"] and node["manager"]["standbys"]:
                return
            time.sleep(LOOK_AGAIN_S)
        raise AssertionError(f"{host.name} is not ready:\n{self.run('status')}")
