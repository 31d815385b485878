"""On which node a room wakes: on that of the gateway that asked, unless it is short of something.

Pure: a function of what the nodes last said of themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CPU_LOAD_MAX = 2.0  # runnable processes a processor; above it, a node that has half of it is better


@dataclass(frozen=True)
class NodeLoad:
    """What a node says of itself.

    Attributes:
        manager_address: Where its hibernation manager accepts links.
        free_places: Rooms that could still become live there.
        cpu_load: Runnable processes a processor, over the last minute.
        leaving: It is being drained, or has nothing deployed: no room may wake there.
    """

    node_id: str
    manager_address: str
    free_places: int
    cpu_load: float
    short_of_memory: bool = False
    leaving: bool = False

    @property
    def has_place(self) -> bool:
        """Whether a room may wake there."""
        return self.free_places > 0 and not self.short_of_memory and not self.leaving


def elsewhere(here: NodeLoad, others: Sequence[NodeLoad]) -> NodeLoad | None:
    """The other node on which a room that is asked for here should wake; None if here.

    Among those that have a place, the one whose processors have least to do, then the one with
    the most places. A node that is only busy gives rooms away to one that is half as busy.
    """
    able = [node for node in others if node.has_place]
    if here.has_place:
        if here.cpu_load <= CPU_LOAD_MAX:
            return None
        able = [node for node in able if node.cpu_load <= here.cpu_load / 2]
    return min(able, key=lambda node: (node.cpu_load, -node.free_places), default=None)
