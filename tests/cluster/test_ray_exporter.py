"""Metrics at Ray's own exporter, which each node of a cluster has."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from .clients import clients
from .conftest import Cluster
from .parlour_on_nodes import ParlourOnNodes

pytestmark = pytest.mark.timeout(180)  # the first of them starts the cluster

TOLD_WITHIN_S = 40.0  # Ray is told every ten seconds
# In a driver of the cluster: where the exporters are.
FIND_EXPORTERS = """
import ray
ray.init(address="auto", logging_level="error", log_to_driver=False)
for node in ray.nodes():
    if node["Alive"]:
        print(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics")
"""


async def test_ray_has_the_metrics_of_each_node(cluster: Cluster, parlour: ParlourOnNodes) -> None:
    """Under its prefix: what is deployed on every node, and requests where they came in."""
    head = cluster.nodes.head
    printed = await asyncio.to_thread(
        cluster.nodes.run, head, "python", "-c", FIND_EXPORTERS, timeout_s=60.0
    )
    # Ray takes a minute to see that a node is gone which an earlier test has switched off.
    on = {host.address for host in cluster.nodes.hosts}
    exporters = [line for line in printed.splitlines() if urlsplit(line).hostname in on]
    async with clients() as world, aiohttp.ClientSession() as session:
        await world.get(head, "talk/measured")

        assert len(exporters) == len(cluster.nodes.hosts)
        for url in exporters:
            wanted = {"ray_parlour_version"}
            if f"//{head.address}:" in url:
                wanted.add("ray_parlour_requests_total")
            async with asyncio.timeout(TOLD_WITHIN_S):
                while not wanted <= await names(session, url):
                    pass


async def names(session: aiohttp.ClientSession, url: str) -> set[str]:
    """The metrics that an exporter has."""
    async with session.get(url) as answer:
        lines = (await answer.text()).splitlines()
    return {line.partition("{")[0] for line in lines if line and not line.startswith("#")}
