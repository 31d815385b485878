"""Settings of the processes that a node runs; plain values that travel to them as they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..actors.network import Network


@dataclass(frozen=True)
class GatewaySettings:
    """Of a gateway.

    `redis_url` names the server of the rooms, whose alarms the gateway looks after,
    `message_bytes_max` bounds one WebSocket message, `body_bytes_max` one request body,
    `request_timeout_s` how long a room may take to answer a request.
    """

    host: str
    port: int
    manager_address: str
    redis_url: str = field(repr=False)
    network: Network | None = None  # None: this node is alone
    public_folder: str | None = None
    message_bytes_max: int = 1024 * 1024
    body_bytes_max: int = 16 * 1024 * 1024
    request_timeout_s: float = 60.0


@dataclass(frozen=True)
class ManagerSettings:
    """Of a hibernation manager.

    `standbys` is the number of started room actors that wait for a room, `live_rooms_max` the
    most rooms that are live on the node, `free_memory_bytes_min` what must stay free of memory
    before idle rooms have to give theirs up.
    """

    folder: str  # of the sockets, which only the owner may enter
    redis_url: str = field(repr=False)
    node_id: str
    network: Network | None = None  # None: this node is alone
    standbys: int = 2
    live_rooms_max: int = 100
    free_memory_bytes_min: int = 0

    @property
    def address(self) -> str:
        """Where the manager listens."""
        return f"{self.folder}/manager.sock"


@dataclass(frozen=True)
class NodeSettings:
    """Of a node: what its controller starts there."""

    node_id: str
    manager: ManagerSettings
    gateway: GatewaySettings
