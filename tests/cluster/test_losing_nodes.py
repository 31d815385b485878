"""Nodes that die, are cut off or are drained: their rooms go on elsewhere."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from pathlib import Path

import pytest

from .clients import Client, Talker, clients
from .conftest import Cluster
from .host import Host
from .parlour_on_nodes import PORT, ParlourOnNodes
from .ray_nodes import GCS_PORT

pytestmark = pytest.mark.timeout(180)  # the first of them starts the cluster

SERVED_AGAIN_S = 5.0  # after a node was lost
LEASE_S = 3.0
SPREAD_S_MIN = 0.1  # between two of four clients that have some 4 s together to leave
SCRIPT = Path(__file__).with_name("lonely_client.py")


async def test_rooms_of_a_node_that_dies_wake_elsewhere(
    cluster: Cluster, parlour: ParlourOnNodes, extra: Host
) -> None:
    """Within seconds, with all that was acknowledged, for clients that were there before."""
    async with clients() as world:
        there = await world.connect(extra, "talk/orphan")
        elsewhere = await world.connect(cluster.nodes.head, "talk/orphan")
        assert await elsewhere.where() == extra.name
        for number in range(1, 6):
            assert await there.ask("x") == f"{number}: x"
            assert await elsewhere.hear() == f"{number}: x"

        cluster.nodes.power_off(extra)
        lost_s = time.monotonic()

        assert await elsewhere.ask("y") == "6: y"
        assert time.monotonic() - lost_s < SERVED_AGAIN_S
        assert await elsewhere.where() == cluster.nodes.head.name


async def test_a_node_that_is_cut_off_answers_nobody_and_loses_nothing(
    cluster: Cluster, parlour: ParlourOnNodes, extra: Host
) -> None:
    """Its processes go on, as does a client at its own gateway, which hears nothing any more.

    On the other side the room is served again within seconds. Each message that was answered, on
    either side, is counted once; after the cut is mended the lonely client goes on, or is told to
    connect again if something that was said to it is lost.
    """
    room = "talk/divided"
    lonely = extra.spawn(sys.executable, str(SCRIPT), extra.address, str(PORT), room, log="lonely")
    async with clients() as world:
        await world.get(extra, room)  # so that it is live there
        elsewhere = await world.connect(cluster.nodes.head, room)
        assert await elsewhere.where() == extra.name
        await elsewhere.hear_of("lonely 5")

        cluster.network.cut_off(extra)
        cut_at_s = time.time()
        try:
            await elsewhere.say("mine")
            await elsewhere.hear_of(": mine")
            served_at_s = time.time()
            assert await elsewhere.where() == cluster.nodes.head.name
        finally:
            cluster.network.mend(extra)

        # The lonely client's message was kept by its gateway, and is handled where the room is.
        await elsewhere.hear_of("lonely")
        lonely.terminate()
        lonely.wait(10)
        count = (await world.get(cluster.nodes.head, room))["said"]

    answers = [json.loads(line) for line in extra.log_file("lonely").read_text().splitlines()]
    assert served_at_s - cut_at_s < SERVED_AGAIN_S
    silent = [a for a in answers if cut_at_s + LEASE_S < a["at_s"] < served_at_s]
    assert silent == []
    numbers = [answer["count"] for answer in answers]
    assert numbers == sorted(set(numbers))  # no count was given twice
    assert numbers[-1] <= count


async def test_a_node_can_be_drained(
    cluster: Cluster, parlour: ParlourOnNodes, extra: Host
) -> None:
    """Its rooms move first, then its clients are told to connect again; nothing new comes."""
    async with clients() as world:
        there = await world.connect(extra, "talk/moving")
        elsewhere = await world.connect(cluster.nodes.head, "talk/moving")
        assert await elsewhere.where() == extra.name
        talker = Talker(elsewhere, "talker")

        drained = await asyncio.to_thread(parlour.run, "drain", extra.address, "--within", "4")

        assert "has no rooms and no clients" in drained
        assert await talker.stop() > 0
        assert await there.closed() == 1012
        assert await elsewhere.where() != extra.name
        node = parlour.node(extra)
        assert node is not None
        assert node["draining"]
        assert node["manager"]["live_rooms"] == 0


async def test_a_notice_that_a_machine_is_taken_back_empties_its_node(
    cluster: Cluster, parlour: ParlourOnNodes, extra: Host
) -> None:
    """A spot pre-emption, as Ray is told of it: rooms move first, then clients are told to connect
    again, one after the other, so that they do not all come back at once."""
    async with clients() as world:
        leaving = [await world.connect(extra, "talk/spot") for _ in range(4)]
        elsewhere = await world.connect(cluster.nodes.head, "talk/spot")
        asker = await world.connect(cluster.nodes.head, "talk/spot")
        assert await asker.where() == extra.name
        talker = Talker(elsewhere, "talker")
        nodes = await asyncio.to_thread(cluster.nodes.alive, len(cluster.nodes.hosts))
        notice = ["ray", "drain-node", "--node-id", nodes[extra.address]]
        notice += ["--address", f"{cluster.nodes.head.address}:{GCS_PORT}"]
        notice += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot"]
        notice += ["--deadline-remaining-seconds", "8"]
        places: list[str] = []

        async def told(client: Client) -> float:
            assert await client.closed() == 1012
            if not places:
                places.append(await asker.where())
            return time.monotonic()

        await asyncio.to_thread(cluster.nodes.run, cluster.nodes.head, *notice)
        times = await asyncio.gather(*map(told, leaving))

        assert places[0] != extra.name
        assert await talker.stop() > 0
        gaps = [later - sooner for sooner, later in itertools.pairwise(sorted(times))]
        assert min(gaps) > SPREAD_S_MIN
