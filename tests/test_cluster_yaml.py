"""cluster.yaml and deploy/cluster-aws.yaml: what Ray's launcher would make of them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parent.parent
CLUSTER_FILE, AWS_FILE = ROOT / "cluster.yaml", ROOT / "deploy" / "cluster-aws.yaml"
STARTS = ("head_start_ray_commands", "worker_start_ray_commands")


@pytest.fixture(params=[CLUSTER_FILE, AWS_FILE], ids=["local", "aws"])
def cluster(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A file as Ray's launcher prepares it: defaults filled in, node types derived."""
    return prepared(request.param)


def prepared(file: Path) -> dict[str, Any]:
    config: dict[str, Any] = prepare_config(yaml.safe_load(file.read_text()))
    return config


def start_command(cluster: dict[str, Any], which: str) -> str:
    commands: list[str] = [line for line in cluster[which] if "ray start" in line]
    [command] = commands
    return command


def test_ray_accepts_the_file(cluster: dict[str, Any]) -> None:
    """Ray's own schema and checks pass."""
    validate_config(cluster)


def test_every_address_becomes_a_worker() -> None:
    """Nodes of one's own are all used, unless the file says otherwise."""
    cluster = prepared(CLUSTER_FILE)

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


def test_parlour_starts_last_on_the_head_and_with_no_password_in_sight(
    cluster: dict[str, Any],
) -> None:
    """The server's URL comes from a file that is sent, which only its owner may read."""
    *_, last = cluster["head_start_ray_commands"]

    assert "parlour start" in last
    assert "RAY_AUTH_MODE=token " in last
    assert 'PARLOUR_REDIS="$(cat ~/.parlour/redis_url)"' in last
    assert "~/.parlour/redis_url" in cluster["file_mounts"]
    assert any("chmod 600" in line and "redis_url" in line for line in cluster["setup_commands"])
    assert "--redis" not in last


def test_both_files_start_nodes_in_the_same_way() -> None:
    """But for the version of the autoscaler, which only provider `local` has trouble with."""
    local, aws = prepared(CLUSTER_FILE), prepared(AWS_FILE)

    for part in (*STARTS, "setup_commands"):
        same = [line.replace(" RAY_enable_autoscaler_v2=0", "") for line in local[part]]
        assert same == aws[part]


def test_clients_on_aws_are_let_in_where_the_gateways_listen() -> None:
    """The one port that Ray's own rules for the security group leave closed."""
    cluster = prepared(AWS_FILE)
    [rule] = cluster["provider"]["security_group"]["IpPermissions"]

    assert rule["FromPort"] == rule["ToPort"]
    assert f"--port {rule['FromPort']}" in cluster["head_start_ray_commands"][-1]


def test_machines_on_aws_are_of_one_image() -> None:
    """Ray wants one Python everywhere; and workers are there from the start."""
    types = prepared(AWS_FILE)["available_node_types"]

    assert len({kind["node_config"]["ImageId"] for kind in types.values()}) == 1
    assert types["worker"]["min_workers"] > 0
