"""docs/cluster.md: each command in it is run, in its order, on hosts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Cluster
from .host import Host
from .parlour_on_nodes import ROOMS, ParlourOnNodes

pytestmark = pytest.mark.timeout(300)

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
SHELL_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def commands() -> list[list[str]]:
    """The commands of the page."""
    lines = "".join(SHELL_BLOCK.findall(PAGE.read_text())).splitlines()
    return [shlex.split(line) for line in lines]


@pytest.fixture
def stopped(parlour: ParlourOnNodes) -> Iterator[ParlourOnNodes]:
    """Parlour is not running, and runs again as before after the test."""
    parlour.stop()
    yield parlour
    parlour.start()
    parlour.deploy(ROOMS)


def test_the_page_shows_every_command_for_a_cluster() -> None:
    """None is left out."""
    shown = {command[1] for command in commands()}

    assert shown == {"start", "status", "deploy", "deployments", "rollback", "drain", "stop"}


def test_every_command_of_the_page_works(
    cluster: Cluster, extra: Host, stopped: ParlourOnNodes
) -> None:
    """With the addresses of these hosts where the page has names."""
    rooms = cluster.nodes.head.path("rooms.py")
    rooms.write_text(ROOMS.read_text())
    stopped.nodes.run(cluster.nodes.head, "python", "-m", "parlour", "--version")
    names = {
        "redis://:PASSWORD@REDIS:6379": cluster.valkey.url,
        "http://HEAD:8265": cluster.nodes.dashboard_url,
        "NODE": extra.address,
        "30": "3",
    }

    for _, *words in commands():
        stopped.run(*(names.get(word, word) for word in words))
