"""How Ray knows Parlour's actors: the classes that it is given, and their names."""

from __future__ import annotations

from typing import Any

import ray

RESTARTS_WITHOUT_END = -1  # as `max_restarts`


def actor_class(shell: type, *, max_restarts: int = 0) -> Any:
    """A class as a Ray actor class that takes no CPU of its own.

    Made where it is needed and not by a decorator: Ray then pickles the class by reference.
    """
    return ray.remote(num_cpus=0, max_restarts=max_restarts)(shell)


def actor_name(process: str, node_id: str) -> str:
    """The name of the "manager" or "gateway" of a node among Ray's actors."""
    return f"parlour-{process}-{node_id}"


def room_actor_name(actor_id: str) -> str:
    """The name of a room actor among Ray's actors."""
    return f"parlour-room-{actor_id}"


def edge_name(node_id: str, version: int) -> str:
    """The name of the edge of a node and version among Ray's actors."""
    return f"parlour-edge-{node_id}-{version}"
