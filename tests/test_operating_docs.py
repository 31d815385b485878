"""docs/operating.md: each command of its first part is run, in order, as it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from parlour.actors.messages import RoomKey
from parlour.runtime.metrics import NodeMetrics
from parlour.runtime.node_counts import NodeCounts
from parlour.runtime.pool import Pool
from parlour.storage import EmbeddedServer, OwnedStorage, RedisBackend
from parlour.storage.redis_cluster import connect

PAGE = Path(__file__).parent.parent / "docs" / "operating.md"
ON_SERVER, _, ON_CLUSTER = PAGE.read_text().partition("\n## On a running cluster\n")


def commands(text: str) -> list[str]:
    """The commands of a part of the page."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


COMMANDS = commands(ON_SERVER)
CLUSTER_COMMANDS = commands(ON_CLUSTER)  # run by tests/cluster/test_operating_docs.py


async def store_lobby(url: str) -> None:
    """The room that the page is about."""
    connection = await connect(url)
    backend = RedisBackend(connection)
    space = RoomKey("chat", "lobby").space
    claim = await backend.claim(space, owner="gone", address="")
    storage = OwnedStorage(backend, claim)
    storage.put({"history": ["hi"], "user:1": {"name": "alice"}})
    storage.put_large("film", bytes(2_000_000))
    await storage.close()
    await backend.release(space, owner=claim.owner, epoch=claim.epoch)
    await connection.close()


@pytest.mark.parametrize("given", ["data folder", "variable"])
def test_every_command_of_the_page_works(tmp_path: Path, given: str) -> None:
    """On the private server of a data folder that does not run, and on one given by its URL."""
    environment = {name: value for name, value in os.environ.items() if name != "PARLOUR_REDIS"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    assert len(COMMANDS) > 15
    with EmbeddedServer(tmp_path / ".parlour" / "storage") as server:
        asyncio.run(store_lobby(server.url))
        if given == "variable":
            run_all(tmp_path, {**environment, "PARLOUR_REDIS": server.url})
    if given == "data folder":
        run_all(tmp_path, environment)


def run_all(folder: Path, environment: dict[str, str]) -> None:
    """Run the commands in a folder; each must succeed."""
    for command in COMMANDS:
        result = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr, command


def test_every_command_and_option_is_on_the_page() -> None:
    """What an operator can do is told there."""
    text = PAGE.read_text()
    for command in ("rooms", "room show", "room delete", "status", "token", "tail"):
        assert f"parlour {command}" in text
    for command in ("get", "put", "delete", "list", "export", "import"):
        assert f"parlour storage {command}" in text
    for command in ("hibernate", "move", "reset"):
        assert f"parlour room {command}" in text
    for option in ("--redis", "--data", "--party", "--live", "--hibernated", "--limit", "--after"):
        assert option in text
    for option in ("--to", "--contents", "--kind", "--node", "--admin-port", "--admin-host"):
        assert option in text


def test_every_metric_is_on_the_page() -> None:
    """By its name, as it is served."""
    metrics = NodeMetrics(Pool(0, 0), NodeCounts()).collect()
    names = {metric.name.removesuffix("_waking") for metric in metrics}
    assert [name for name in sorted(names) if name not in ON_CLUSTER] == []
