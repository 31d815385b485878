"""Settings: what each node is started with follows from what whoever starts Parlour said."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.runtime.settings import ClusterSettings, node_settings, wanted_nodes

NODE_ID = "0123456789abcdef" * 3 + "01234567"
CLUSTER = ClusterSettings(
    "redis://:hush@10.0.0.9/3", "0.0.0.0", 1999, 3, 50, secret=b"whisper", crons_on_demand=True
)


def ray_node(node_id: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    """A node as Ray lists it."""
    return {
        "NodeID": node_id,
        "Alive": alive,
        "NodeManagerAddress": f"10.0.0.{node_id[-1]}",
        "Resources": resources,
    }


def test_a_node_gets_what_the_cluster_was_started_with() -> None:
    """Its gateway and its manager agree on where they meet, and on the network."""
    node = node_settings(CLUSTER, NODE_ID, "10.0.0.7")
    assert (node.node_id, node.host) == (NODE_ID, "10.0.0.7")
    manager, gateway = node.manager, node.gateway
    assert (manager.node_id, manager.standbys, manager.live_rooms_max) == (NODE_ID, 3, 50)
    assert manager.redis_url == gateway.redis_url == CLUSTER.redis_url
    assert (gateway.host, gateway.port, gateway.crons_on_demand) == ("0.0.0.0", 1999, True)
    assert gateway.manager_address == manager.address
    assert manager.network == gateway.network
    network = manager.network
    assert network is not None
    assert (network.host, network.secret, network.tls) == ("10.0.0.7", b"whisper", None)
    assert network.folder == manager.folder


def test_each_node_has_a_folder_of_its_own_with_a_short_name() -> None:
    """The path of a Unix socket has at most 107 bytes."""
    folder = node_settings(CLUSTER, NODE_ID, "10.0.0.7").manager.folder
    assert folder != node_settings(CLUSTER, "f" + NODE_ID, "10.0.0.8").manager.folder
    assert len(f"{folder}/room-0123456789ab.sock") < 100


def test_a_machine_that_is_alone_has_no_network() -> None:
    """Its processes listen on Unix sockets alone, in the folder that was named."""
    alone = ClusterSettings("redis://h", "127.0.0.1", 1999, folder="/tmp/mine")
    node = node_settings(alone, NODE_ID, "127.0.0.1")
    assert node.manager.network is None
    assert node.gateway.network is None
    assert node.manager.folder == "/tmp/mine"


def test_secrets_are_not_shown() -> None:
    """Settings may be logged: neither the URL's password nor the cluster's secret."""
    node = node_settings(CLUSTER, NODE_ID, "10.0.0.7")
    for each in (CLUSTER, node, node.manager, node.gateway, node.manager.network):
        assert "hush" not in repr(each)
        assert "whisper" not in repr(each)


@pytest.mark.parametrize(
    ("resource", "wanted"),
    [(None, {"n1", "n2", "n3"}), ("parlour", {"n2"}), ("gpu", set())],
)
def test_nodes_that_live_and_have_the_resource_take_part(
    resource: str | None, wanted: set[str]
) -> None:
    """None of it, or nothing of it left, is not having it."""
    nodes = [
        ray_node("n1", CPU=4, parlour=0),
        ray_node("n2", parlour=0.5),
        ray_node("n3"),
        ray_node("n4", alive=False, parlour=1),
    ]
    del nodes[2]["Resources"]
    cluster = ClusterSettings("redis://h", "h", 1, resource=resource, secret=b"s")
    found = wanted_nodes(cluster, nodes)  # type: ignore[arg-type]
    assert found.keys() == wanted
    for node_id, settings in found.items():
        assert (settings.node_id, settings.host) == (node_id, f"10.0.0.{node_id[-1]}")
