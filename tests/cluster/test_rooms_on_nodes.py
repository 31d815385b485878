"""The same rooms on many nodes: one room, whichever gateway its clients come through."""

from __future__ import annotations

import pytest

from .clients import clients
from .conftest import Cluster
from .host import Host
from .parlour_on_nodes import ParlourOnNodes

pytestmark = pytest.mark.timeout(180)  # the first of them starts the cluster


async def test_clients_of_three_gateways_are_in_one_room(
    cluster: Cluster, parlour: ParlourOnNodes
) -> None:
    """It runs on the node of the gateway that asked first; all hear what any of them says."""
    hosts = cluster.nodes.hosts
    async with clients() as world:
        everybody = [await world.connect(host, "talk/lobby") for host in hosts]

        places = [await client.where() for client in everybody]
        await everybody[1].say("hello")
        heard = [await client.hear() for client in everybody]

    assert len(set(places)) == 1
    assert places[0] == hosts[0].name
    assert heard == ["1: hello"] * 3


async def test_each_gateway_wakes_rooms_on_its_own_node(
    cluster: Cluster, parlour: ParlourOnNodes
) -> None:
    """And answers requests to rooms that are live on another."""
    hosts = cluster.nodes.hosts
    async with clients() as world:
        for host in hosts:
            assert (await world.get(host, f"talk/of-{host.name}"))["where"] == host.name
        for host in hosts:
            found = [await world.get(each, f"talk/of-{host.name}") for each in hosts]
            assert {answer["where"] for answer in found} == {host.name}


async def test_a_room_calls_a_room_on_another_node(
    cluster: Cluster, parlour: ParlourOnNodes
) -> None:
    """As it calls one on its own: the clients there hear it, and the answer comes back."""
    first, second, _ = cluster.nodes.hosts
    async with clients() as world:
        listener = await world.connect(second, "talk/called")
        assert await listener.where() == second.name
        caller = await world.connect(first, "caller/calling")

        assert await caller.ask("called") == f"from {first.name} to {second.name}"
        assert await listener.hear() == "1: here is called"


async def test_a_node_that_joins_takes_part(
    cluster: Cluster, parlour: ParlourOnNodes, extra: Host
) -> None:
    """It has a gateway and standbys with what was deployed before it came."""
    async with clients() as world:
        there = await world.connect(extra, "talk/new")
        elsewhere = await world.connect(cluster.nodes.head, "talk/new")

        assert await there.where() == extra.name
        assert await elsewhere.ask("hi") == "1: hi"
        assert await there.hear() == "1: hi"
