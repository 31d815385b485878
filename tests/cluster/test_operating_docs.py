"""docs/operating.md: each command of its part on a running cluster is run, as it stands there."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from ..support.requirements import require
from ..test_operating_docs import CLUSTER_COMMANDS
from .clients import clients
from .conftest import Cluster
from .parlour_on_nodes import ParlourOnNodes

pytestmark = pytest.mark.timeout(240)  # the first of them starts the cluster

COMMAND_TIMEOUT_S = 60.0
# Ended as by Ctrl-C once it says that it follows.
FOLLOW = """
coproc {{ {command} 2>&1; }}
read -r line <&"${{COPROC[0]}}"
kill -INT "$COPROC_PID"
echo "$line"
wait "$COPROC_PID"
"""


async def test_every_command_of_the_page_works(cluster: Cluster, parlour: ParlourOnNodes) -> None:
    """In order, about a room that somebody is in."""
    require(shutil.which("curl"), "curl is not installed (apt-get install curl)")
    assert len(CLUSTER_COMMANDS) > 8
    programs = Path(sys.executable).parent
    head = cluster.nodes.head
    async with clients() as world:
        client = await world.connect(head, "chat/lobby")
        for number, command in enumerate(CLUSTER_COMMANDS, 1):
            assert (await client.ask("x")).startswith(f"{number}: ")  # also what wakes it
            script = f"PATH={programs}:$PATH; "
            script += (
                FOLLOW.format(command="exec " + command)
                if command.startswith("parlour tail")
                else command
            )
            printed = cluster.nodes.run(head, "bash", "-c", script, timeout_s=COMMAND_TIMEOUT_S)
            assert "Traceback" not in printed, command
            assert printed.strip(), command
