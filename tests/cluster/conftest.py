"""One cluster of real hosts for the session: three Ray nodes and the rooms' server.

Tests that break a node bring a host of their own (`cluster.nodes.add`) or mend what they broke.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import pytest

from ..support.requirements import require
from .host import NAMESPACES, Host
from .launching import Launch
from .network import Network
from .parlour_on_nodes import ROOMS, ParlourOnNodes
from .ray_nodes import RayNodes
from .valkey_host import ValkeyHost

NODES = ("node-1", "node-2", "node-3")
COMMANDS = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "unshare": "util-linux"}


@dataclass(frozen=True)
class Cluster:
    """Hosts, the Ray nodes on three of them, and the rooms' server on a fourth."""

    network: Network
    nodes: RayNodes
    valkey: ValkeyHost

    def logs(self) -> str:
        """The last lines of every log of every host."""
        return "\n".join(host.log_tail() for host in self.network.hosts)


@pytest.fixture(scope="session")
def host_parts() -> None:
    """What a machine needs for hosts."""
    missing = sorted({package for name, package in COMMANDS.items() if not shutil.which(name)})
    require(not missing, f"hosts need Debian's {', '.join(missing)} (apt-get install)")
    require(os.geteuid() == 0, "hosts are network namespaces, which only root can make")
    attempt = ["unshare", *NAMESPACES, "--fork", "nft", "list", "ruleset"]
    made = subprocess.run(attempt, capture_output=True, text=True, check=False)
    require(made.returncode == 0, f"this machine makes no network namespaces: {made.stderr}")


@pytest.fixture
def network(host_parts: None) -> Iterator[Network]:
    """A network of the test's own, with no host yet."""
    with Network() as network:
        yield network


@pytest.fixture(scope="session")
def cluster(host_parts: None) -> Iterator[Cluster]:
    """Three hosts with Ray nodes and one with a Valkey, shared by the session."""
    with Network() as network:
        cluster = Cluster(network, RayNodes(network), ValkeyHost(network.add_host("valkey")))
        try:
            cluster.valkey.start()
            cluster.nodes.start(*map(network.add_host, NODES))
        except Exception as error:
            error.add_note(cluster.logs())
            raise
        yield cluster


@pytest.fixture(scope="session")
def parlour(cluster: Cluster) -> Iterator[ParlourOnNodes]:
    """Parlour on all nodes with the rooms of `rooms.py` deployed, shared by the session."""
    parlour = ParlourOnNodes(cluster.nodes, cluster.valkey)
    try:
        parlour.start()
        parlour.deploy(ROOMS)
        for host in cluster.nodes.hosts:
            parlour.wait_until_ready(host)
    except BaseException as error:
        error.add_note(cluster.logs())
        raise
    yield parlour
    parlour.stop()


@pytest.fixture
def extra(cluster: Cluster, parlour: ParlourOnNodes) -> Iterator[Host]:
    """One more node, ready for rooms, that a test may break."""
    host = cluster.network.add_host(f"node-{len(cluster.network.hosts)}")
    cluster.nodes.start(host)
    parlour.wait_until_ready(host)
    yield host
    cluster.nodes.power_off(host)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the hosts' logs when a test that uses them fails."""
    report = yield
    for hosts in getattr(item, "funcargs", {}).values():
        if report.failed and isinstance(hosts, Cluster | Launch):
            report.sections.append(("logs of the hosts", hosts.logs()))
    return report
