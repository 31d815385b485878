"""The status of a cluster in words, and as data for programs. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from .status import ClusterStatus, NodeStatus

NODE_ID_CHARACTERS = 12  # enough to tell nodes apart, and what `parlour drain` takes


def describe(status: ClusterStatus, redis: str) -> str:
    """Everything, for a terminal; `redis` is what its server promises, in a sentence."""
    current = status.current
    if current is None:
        deployed = "nothing is deployed; `parlour deploy` does it"
    else:
        deployed = f"version {current.version}: {', '.join(current.parties)}"
        if status.on_probation:
            deployed += " (on probation: rolled back if rooms cannot start)"
    lines = [f"Redis      {redis}", f"Deployed   {deployed}"]
    for party, resources in sorted(status.unplaced.items()):
        lines.append(f"Waiting    rooms of {party}: no node has {resources} free")
    return "\n".join([*lines, "", describe_nodes(status)])


def describe_nodes(status: ClusterStatus) -> str:
    """A line for each node."""
    rows = [("NODE", "ADDRESS", "GATEWAY", "SOCKETS", "LIVE ROOMS", "STANDBYS", "STATE")]
    return _table([*rows, *(_node_row(node) for node in status.nodes)])


def _node_row(node: NodeStatus) -> tuple[str, ...]:
    manager, gateway = node.manager, node.gateway
    state = "draining" if node.draining else "ready" if node.ready else "does not answer"
    if manager is not None and manager.outdated_rooms and not node.draining:
        state += f", {manager.outdated_rooms} rooms on older versions"
    return (
        node.node_id[:NODE_ID_CHARACTERS],
        node.host,
        gateway.url if gateway is not None else "-",
        str(gateway.sockets) if gateway is not None else "-",
        str(manager.live_rooms) if manager is not None else "-",
        str(manager.standbys) if manager is not None else "-",
        state,
    )


def describe_versions(
    status: ClusterStatus, local_time: Callable[[float], time.struct_time] = time.localtime
) -> str:
    """A line for each version, the newest first."""
    if not status.versions:
        return "nothing is deployed; `parlour deploy` does it"
    rows = [("VERSION", "NAME", "DEPLOYED", "PARTIES", "STATE")]
    for version in reversed(status.versions):
        state = "in use" if version.current else ""
        rows.append(
            (
                str(version.version),
                version.name or "-",
                time.strftime("%Y-%m-%d %H:%M:%S", local_time(version.deployed_at_s)),
                ", ".join(version.parties),
                f"halted: {version.halted}" if version.halted else state,
            )
        )
    return _table(rows)


def as_dict(status: ClusterStatus, redis: str) -> dict[str, Any]:
    """The same as plain data; the URL of the server stays out, as it may hold a password."""
    return {
        "redis": redis,
        "on_probation": status.on_probation,
        "nodes": [asdict(node) | {"ready": node.ready} for node in status.nodes],
        "versions": [asdict(version) for version in status.versions],
    }


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
