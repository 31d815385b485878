"""How a program finds the gateway of the Ray cluster that it runs in."""

from __future__ import annotations

from typing import NamedTuple

import ray

from ..actors.call_errors import CallError
from . import cluster, deployment


class FoundGateway(NamedTuple):
    """A gateway, and what it wants to be shown."""

    url: str
    token: str


def find_gateway() -> FoundGateway:
    """The gateway of this node, or another one if this node has none. Blocks.

    Raises:
        CallError: If this is no program of a Ray cluster, or Parlour does not run there.
    """
    if not ray.is_initialized():
        raise CallError(
            "this program is not connected to a Ray cluster: call ray.init() first, or give "
            "url= and token= (PARLOUR_URL and PARLOUR_TOKEN)"
        )
    try:
        nodes = cluster.status().nodes
    except cluster.ClusterError as error:
        raise CallError(str(error)) from error
    here = ray.get_runtime_context().get_node_id()
    gateways = {node.node_id: node.gateway for node in nodes if node.gateway is not None}
    if not gateways:
        raise CallError("no gateway of this cluster answers; see `parlour status`")
    gateway = gateways.get(here) or next(iter(gateways.values()))
    return FoundGateway(gateway.url, deployment.admin_token())
