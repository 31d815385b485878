"""What a room actor is started with, and what becomes of that on another node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .network import Network, TlsFiles, manager_address, node_folder
from .resources import NO_RESOURCES, ActorResources


@dataclass(frozen=True)
class RoomActorSettings:
    """What a room actor is started with."""

    id: str
    folder: str  # of the sockets, which only the owner may enter
    manager_address: str
    redis_url: str = field(repr=False)
    version: int
    network: Network | None = None  # None: no other node is there
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # see Room.env
    resources: ActorResources = NO_RESOURCES

    def moved_to(self, node_id: str, host: str, tls: TlsFiles | None) -> RoomActorSettings:
        """The same on another node of the network, and with that node's manager."""
        assert self.network is not None
        folder = node_folder(node_id)
        network = replace(self.network, folder=folder, host=host, tls=tls)
        address = manager_address(folder)
        return replace(self, folder=folder, manager_address=address, network=network)
