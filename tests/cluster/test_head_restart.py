"""The head of the Ray cluster dies and comes back: rooms on the other nodes never stop.

With Ray's own fault tolerance: its state is in a Redis. A cluster of its own, as the head is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from .clients import Talker, clients
from .conftest import Cluster
from .network import Network
from .parlour_on_nodes import ROOMS, ParlourOnNodes
from .ray_nodes import RayNodes
from .valkey_host import ValkeyHost

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def tolerant(host_parts: None) -> Iterator[Cluster]:
    """A head and another node, whose state Ray keeps in the rooms' server."""
    with Network() as network:
        valkey = ValkeyHost(network.add_host("valkey"))
        cluster = Cluster(network, RayNodes(network, state=valkey), valkey)
        try:
            valkey.start()
            cluster.nodes.start(*map(network.add_host, ("head", "worker")))
        except Exception as error:
            error.add_note(cluster.logs())
            raise
        yield cluster


async def test_live_rooms_go_on_without_the_head(tolerant: Cluster) -> None:
    """Messages pass while it is away; when it is back, deploys and both nodes work again."""
    parlour = ParlourOnNodes(tolerant.nodes, tolerant.valkey)
    head, worker = tolerant.nodes.hosts
    await asyncio.to_thread(parlour.start)
    await asyncio.to_thread(parlour.deploy, ROOMS)
    await asyncio.to_thread(parlour.wait_until_ready, worker)
    async with clients() as world:
        client = await world.connect(worker, "talk/lobby")
        assert await client.where() == worker.name
        talker = Talker(client, "talker")
        await asyncio.to_thread(parlour.wait_until_ready, worker)  # a standby for one room more

        await asyncio.to_thread(tolerant.nodes.kill, head)
        alone = await world.connect(worker, "talk/other")  # in a standby: none can be started
        assert await alone.ask("hello") == "1: hello"
        await asyncio.to_thread(tolerant.nodes.start_head_again, head)
        await asyncio.to_thread(parlour.wait_until_ready, head)

        assert await talker.stop() > 0
        assert talker.longest_wait_s < 2.0
        assert await alone.ask("hello") == "2: hello"
        assert (await world.get(head, "talk/lobby"))["where"] == worker.name
    await asyncio.to_thread(parlour.deploy, ROOMS)
    assert parlour.current_version() == 2
