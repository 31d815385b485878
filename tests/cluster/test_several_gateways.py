"""Rooms with clients at three gateways: whatever happens to the room, all of them hear it."""

from __future__ import annotations

import asyncio

import pytest

from .clients import Client, clients
from .conftest import Cluster
from .host import Host
from .parlour_on_nodes import ParlourOnNodes

pytestmark = pytest.mark.timeout(240)  # the first of them starts the cluster

CRASHES = 10
HIBERNATIONS = 5


async def place(client: Client) -> tuple[str, str]:
    """The host, and the process id on it, that the room has."""
    await client.say("where?")
    host, process = (await client.hear()).split()
    return host, process


async def tell_all(speaker: Client, everybody: list[Client], text: str) -> list[str]:
    """Say something; what each heard next."""
    await speaker.say(text)
    return await asyncio.gather(*(client.hear() for client in everybody))


def kill(hosts: list[Host], name: str, process: str) -> None:
    """The process of a room, as if it had crashed."""
    [host] = [host for host in hosts if host.name == name]
    host.run("kill", "-9", process)


async def test_the_first_message_after_a_crash_is_heard_at_every_gateway(
    cluster: Cluster, parlour: ParlourOnNodes
) -> None:
    """Whoever says it, again and again: silent clients of other gateways miss nothing."""
    hosts = cluster.nodes.hosts
    async with clients() as world:
        everybody = [await world.connect(host, "talk/wide") for host in hosts]
        assert await tell_all(everybody[0], everybody, "x") == ["1: x"] * 3
        for number in range(2, CRASHES + 2):
            speaker = everybody[number % 3]
            await asyncio.to_thread(kill, hosts, *await place(everybody[0]))
            assert await tell_all(speaker, everybody, "x") == [f"{number}: x"] * 3


async def test_the_first_message_after_hibernation_is_heard_at_every_gateway(
    cluster: Cluster, parlour: ParlourOnNodes
) -> None:
    """Also when it comes from a client who is new, at a gateway that was never with the room."""
    first, second, third = cluster.nodes.hosts
    async with clients() as world:
        everybody = [await world.connect(host, "talk/drowsy") for host in (first, second)]
        for number in range(1, HIBERNATIONS + 1):
            await asyncio.to_thread(parlour.run, "room", "hibernate", "talk/drowsy")
            speaker = await world.connect(third, "talk/drowsy")
            everybody.append(speaker)
            heard = await tell_all(speaker, everybody, "x")
            assert heard == [f"{number}: x"] * len(everybody)
