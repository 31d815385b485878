"""`parlour room move`: a room goes on another node, and its clients hear nothing of it."""

from __future__ import annotations

import asyncio

import pytest

from .clients import Talker, clients
from .conftest import Cluster
from .parlour_on_nodes import ParlourOnNodes

pytestmark = pytest.mark.timeout(180)  # the first of them starts the cluster


async def test_a_room_moves_while_its_clients_talk(
    cluster: Cluster, parlour: ParlourOnNodes
) -> None:
    """To the node that is named, then to one that is chosen; nothing is lost, no socket closed."""
    first, second, third = cluster.nodes.hosts
    async with clients() as world:
        here = await world.connect(first, "talk/mover")
        elsewhere = await world.connect(third, "talk/mover")
        assert await here.where() == first.name
        talker = Talker(elsewhere, "talker")

        moved = await asyncio.to_thread(
            parlour.run, "room", "move", "talk/mover", "--to", second.address
        )
        assert f"talk/mover is live on {second.address}" in moved
        assert await here.where() == second.name

        await asyncio.to_thread(parlour.run, "room", "move", "talk/mover")
        assert await here.where() != second.name
        assert await talker.stop() > 0
        said = (await world.get(first, "talk/mover"))["said"]
        assert said == talker.said


async def test_a_silent_client_of_another_gateway_hears_the_room_after_it_has_moved(
    cluster: Cluster, parlour: ParlourOnNodes
) -> None:
    """The room knows all of its clients on its new node, before any of them has said a word."""
    first, second, third = cluster.nodes.hosts
    async with clients() as world:
        speaker = await world.connect(first, "talk/audience")
        listener = await world.connect(third, "talk/audience")
        assert await speaker.where() == first.name
        await asyncio.to_thread(
            parlour.run, "room", "move", "talk/audience", "--to", second.address
        )
        await speaker.say("hello")
        assert await listener.hear() == "1: hello"
