"""Settings of the processes of a cluster; plain values that travel to them as they are.

`ClusterSettings` is what whoever starts Parlour says; what each node's processes are started with
follows from it and from the node (`node_settings`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..actors.network import Network, manager_address, node_folder


@dataclass(frozen=True)
class GatewaySettings:
    """Of a gateway.

    `redis_url` names the server of the rooms, whose alarms the gateway looks after,
    `crons_on_demand` lets whoever asks run one of the project's crons, `note_requests` shows each
    answered request to who follows the node. What is deployed brings more (`GatewayNews`).
    """

    host: str
    port: int
    manager_address: str
    redis_url: str = field(repr=False)
    network: Network | None = None  # None: this node is alone
    crons_on_demand: bool = False
    note_requests: bool = False

    def edge_address(self, version: int) -> str:
        """Where the edge of a version listens, on the gateway's node."""
        return f"{os.path.dirname(self.manager_address)}/edge-{version}.sock"


@dataclass(frozen=True)
class ManagerSettings:
    """Of a hibernation manager.

    `standbys` is the number of started room actors that wait for a room, `live_rooms_max` the
    most rooms that are live on the node, `free_memory_bytes_min` what must stay free of memory
    before idle rooms have to give theirs up; without these two the node's memory decides. Metrics
    are served at `admin_host` and `admin_port`; without a port they are not. `resource` is the Ray
    resource by which nodes with a manager are told from others; None if every node has one.
    """

    folder: str  # of the sockets, which only the owner may enter
    redis_url: str = field(repr=False)
    node_id: str
    network: Network | None = None  # None: this node is alone
    standbys: int = 2
    live_rooms_max: int | None = None
    free_memory_bytes_min: int | None = None
    admin_host: str = "127.0.0.1"
    admin_port: int | None = None
    resource: str | None = None

    @property
    def address(self) -> str:
        """Where the manager listens, for processes of its node."""
        return manager_address(self.folder)


@dataclass(frozen=True)
class ClusterSettings:
    """Of a whole Parlour.

    Attributes:
        host, port: Where each node's gateway listens.
        resource: The Ray resource that a node must have to get a gateway and a hibernation
            manager; None for every node.
        secret: What processes of different nodes prove themselves with; None where this machine
            is the only one and stays so.
        link_ports: The first and the last port for links between nodes; None for any.
        folder: Of the sockets, where there is one node; otherwise each node has its own in /tmp.
        crons_on_demand, note_requests: See `GatewaySettings`.
        admin_host, admin_port: Where each node serves its metrics; no port: nowhere.
    """

    redis_url: str = field(repr=False)
    host: str
    port: int
    standbys: int = 2
    live_rooms_max: int | None = None
    resource: str | None = None
    secret: bytes | None = field(default=None, repr=False)
    link_ports: tuple[int, int] | None = None
    folder: str | None = None
    crons_on_demand: bool = False
    note_requests: bool = False
    admin_host: str = "127.0.0.1"
    admin_port: int | None = None


@dataclass(frozen=True)
class NodeSettings:
    """Of a node: what its controller starts there."""

    node_id: str
    host: str  # as the other nodes reach it
    manager: ManagerSettings
    gateway: GatewaySettings


def node_settings(cluster: ClusterSettings, node_id: str, host: str) -> NodeSettings:
    """What to start on a node."""
    folder = cluster.folder or node_folder(node_id)
    network = None
    if cluster.secret is not None:
        network = Network(folder, host, cluster.secret, ports=cluster.link_ports)
    manager = ManagerSettings(
        folder=folder,
        redis_url=cluster.redis_url,
        node_id=node_id,
        network=network,
        standbys=cluster.standbys,
        live_rooms_max=cluster.live_rooms_max,
        admin_host=cluster.admin_host,
        admin_port=cluster.admin_port,
        resource=cluster.resource,
    )
    gateway = GatewaySettings(
        host=cluster.host,
        port=cluster.port,
        manager_address=manager.address,
        redis_url=cluster.redis_url,
        network=network,
        crons_on_demand=cluster.crons_on_demand,
        note_requests=cluster.note_requests,
    )
    return NodeSettings(node_id, host, manager, gateway)


def wanted_nodes(
    cluster: ClusterSettings, nodes: list[Mapping[str, Any]]
) -> dict[str, NodeSettings]:
    """The nodes that are to have a gateway and a manager, of those that Ray lists (`ray.nodes`)."""
    return {
        node["NodeID"]: node_settings(cluster, node["NodeID"], node["NodeManagerAddress"])
        for node in nodes
        if node["Alive"]
        and (cluster.resource is None or node.get("Resources", {}).get(cluster.resource, 0) > 0)
    }
