"""Ray's TLS on every node: what gateways, managers and room actors say to each other is encrypted,
too. A cluster of its own, as all of Ray's processes have to agree.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..actors.authority import Authority
from .clients import clients
from .conftest import Cluster
from .host import Host
from .host_init import HOME
from .network import Network
from .parlour_on_nodes import ROOMS, ParlourOnNodes
from .ray_nodes import RayNodes
from .valkey_host import ValkeyHost

pytestmark = pytest.mark.timeout(300)

FOLDER = "tls"
TLS = {
    "RAY_USE_TLS": "1",
    "RAY_TLS_SERVER_CERT": str(HOME / FOLDER / "node.crt"),
    "RAY_TLS_SERVER_KEY": str(HOME / FOLDER / "node.key"),
    "RAY_TLS_CA_CERT": str(HOME / FOLDER / "authority.crt"),
}
LINK_PORTS = range(11000, 12000)
CONNECT_TIMEOUT_S = 5.0


@pytest.fixture
def encrypted(host_parts: None, tmp_path: Path) -> Iterator[Cluster]:
    """Two nodes, each with a certificate made out for its address."""
    authority = Authority(tmp_path / "authority")
    with Network() as network:
        valkey = ValkeyHost(network.add_host("valkey"))
        cluster = Cluster(network, RayNodes(network, settings=TLS), valkey)
        try:
            valkey.start()
            hosts = [network.add_host(name) for name in ("head", "worker")]
            for host in hosts:
                host.path(FOLDER).mkdir()
                files = authority.files(host.name, host.address)
                for file, name in zip(
                    files, ("node.crt", "node.key", "authority.crt"), strict=True
                ):
                    shutil.copy(file, host.path(FOLDER) / name)
            cluster.nodes.start(*hosts)
        except Exception as error:
            error.add_note(cluster.logs())
            raise
        yield cluster


def link_ports(host: Host) -> list[int]:
    """Those on which processes of a host accept links of other nodes."""
    ports = [int(line.split()[3].rpartition(":")[2]) for line in listening(host)]
    return [port for port in ports if port in LINK_PORTS]


def listening(host: Host) -> list[str]:
    """A line for each socket of a host that listens."""
    return host.run("ss", "--tcp", "--listening", "--numeric", "--no-header").splitlines()


def what_answers(address: str, port: int) -> str | None:
    """The version of TLS that is spoken there with whoever comes without a certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, port), CONNECT_TIMEOUT_S) as plain,
        context.wrap_socket(plain) as encrypted,
    ):
        return encrypted.version()


async def test_rooms_are_shared_by_nodes_that_encrypt(encrypted: Cluster) -> None:
    """A room on one node has clients at both; every port for links speaks TLS and nothing else."""
    parlour = ParlourOnNodes(encrypted.nodes, encrypted.valkey)
    head, worker = encrypted.nodes.hosts
    await asyncio.to_thread(parlour.start)
    head.path("rooms.py").write_text(ROOMS.read_text())
    await asyncio.to_thread(
        parlour.run, "deploy", "rooms.py", "--address", encrypted.nodes.dashboard_url
    )
    for host in (head, worker):
        await asyncio.to_thread(parlour.wait_until_ready, host)
    async with clients() as world:
        near = await world.connect(worker, "talk/secret")
        far = await world.connect(head, "talk/secret")
        assert await far.where() == await near.where() == worker.name
        assert await far.ask("hello") == await near.hear() == "1: hello"
    ports = link_ports(worker)
    assert len(ports) >= 3  # manager, gateway, room actor
    for port in ports:
        assert await asyncio.to_thread(what_answers, worker.address, port) == "TLSv1.3"
