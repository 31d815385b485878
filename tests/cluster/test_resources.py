"""Rooms of a party that asks for resources: they wake where those are, and wait for a node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import aiohttp
import pytest

from .clients import clients
from .conftest import Cluster
from .host import Host
from .parlour_on_nodes import PORT, ParlourOnNodes

pytestmark = pytest.mark.timeout(300)  # the first of them starts the cluster

ROOM = "rare/one"
GIVEN_UP_S = 50.0  # a gateway tries for 30 s, and each try may take half of that
DEMAND_TIMEOUT_S = 60.0


@pytest.fixture
def rare(cluster: Cluster) -> Iterator[Host]:
    """A host on which the test starts a node, if it gets so far."""
    host = cluster.network.add_host(f"node-{len(cluster.network.hosts)}")
    yield host
    cluster.nodes.power_off(host)


async def answer(host: Host) -> tuple[int, str]:
    """What the room, or its gateway in its place, answers to a request."""
    timeout = aiohttp.ClientTimeout(total=GIVEN_UP_S)
    url = f"http://{host.address}:{PORT}/parties/{ROOM}"
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
        return response.status, await response.text()


async def until_printed(command: Callable[[], str], text: str) -> None:
    """Run a command until it says so."""
    async with asyncio.timeout(DEMAND_TIMEOUT_S):
        while text not in await asyncio.to_thread(command):
            pass


async def test_a_room_waits_for_a_node_that_has_what_it_needs(
    cluster: Cluster, parlour: ParlourOnNodes, rare: Host
) -> None:
    """Its client is told why after a while; Ray sees the demand, and once a node with it has come
    the room wakes there, whichever gateway is asked, with as many as Ray's books allow."""
    head, other, _ = cluster.nodes.hosts
    asked = asyncio.create_task(answer(head))

    await until_printed(
        lambda: parlour.run("status"), "rooms of rare: no node has parlour_test=1 free"
    )
    await until_printed(lambda: cluster.nodes.run(head, "ray", "status"), "'parlour_test': 1.0")
    status, text = await asked
    assert status == 503
    assert "waits for resources that no node has free" in text

    await asyncio.to_thread(cluster.nodes.start_with, rare, {"parlour_test": 1})
    async with clients() as world:
        async with asyncio.timeout(DEMAND_TIMEOUT_S):
            while (await answer(head))[0] != 200:
                pass
        await asyncio.to_thread(parlour.wait_until_ready, rare)
        far = await world.connect(other, ROOM)
        near = await world.connect(rare, ROOM)
        assert await far.where() == await near.where() == rare.name
        assert await far.ask("hello") == await near.hear() == "1: hello"
    assert "no node has" not in parlour.run("status")
