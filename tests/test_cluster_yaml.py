"""cluster.yaml: what Ray's launcher would make of it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER_FILE = Path(__file__).parent.parent / "cluster.yaml"
STARTS = ("head_start_ray_commands", "worker_start_ray_commands")


@pytest.fixture
def cluster() -> dict[str, Any]:
    """The file as Ray's launcher prepares it: defaults filled in, node types derived."""
    prepared: dict[str, Any] = prepare_config(yaml.safe_load(CLUSTER_FILE.read_text()))
    return prepared


def start_command(cluster: dict[str, Any], which: str) -> str:
    commands: list[str] = [line for line in cluster[which] if "ray start" in line]
    [command] = commands
    return command


def test_ray_accepts_the_file(cluster: dict[str, Any]) -> None:
    """Ray's own schema and checks pass, and every worker address becomes a worker."""
    validate_config(cluster)

    node_type = cluster["available_node_types"][cluster["head_node_type"]]
    assert len(cluster["provider"]["worker_ips"]) == node_type["max_workers"]


def test_a_misspelt_line_would_be_refused(cluster: dict[str, Any]) -> None:
    """The check above can fail: the schema is closed."""
    with pytest.raises(Exception, match="setup_comands"):
        validate_config(cluster | {"setup_comands": []})


@pytest.mark.parametrize("which", STARTS)
def test_every_node_starts_with_the_token_and_without_niceness(
    cluster: dict[str, Any], which: str
) -> None:
    """The settings that have to agree on all nodes are on all nodes, and the token is there."""
    command = start_command(cluster, which)

    assert "RAY_AUTH_MODE=token " in command
    assert "RAY_worker_niceness=0 " in command
    assert "~/.ray/auth_token" in cluster["file_mounts"]


def test_workers_look_for_the_head_where_it_listens(cluster: dict[str, Any]) -> None:
    """The port in the workers' command is the one in the head's, and it is not Redis's."""
    head, worker = (start_command(cluster, which) for which in STARTS)
    [listens] = re.findall(r"--head .*--port=(\d+)", head)
    [dials] = re.findall(r"--address=\$RAY_HEAD_IP:(\d+)", worker)

    assert listens == dials
    assert listens != "6379"


def test_nodes_install_parlour_from_the_wheel_that_is_sent(cluster: dict[str, Any]) -> None:
    """What setup installs is what file_mounts brings."""
    assert cluster["file_mounts"]["~/parlour-dist"] == "dist"
    installs = [line for line in cluster["setup_commands"] if "pip install" in line]
    assert installs
    assert all("~/parlour-dist/parlour-*.whl" in line for line in installs)


@pytest.mark.parametrize("which", STARTS)
def test_ray_start_knows_every_option(cluster: dict[str, Any], which: str) -> None:
    """No option of the start commands is one that the installed Ray does not have."""
    from ray.scripts.scripts import start

    known = {name for option in start.params for name in option.opts}
    used = set(re.findall(r"(--[a-z-]+)", start_command(cluster, which)))

    assert used <= known
