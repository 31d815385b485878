"""What the processes of a node say of themselves to the controller, and it to who asks."""

from __future__ import annotations

from dataclasses import dataclass, field

from .placement import NodeLoad


@dataclass(frozen=True)
class ManagerStatus:
    """Of a hibernation manager.

    Attributes:
        version: Of the room classes that new rooms get; 0 for none.
        outdated_rooms: Live rooms of other versions.
        started_rooms, failed_rooms: With this version, since it is used: rooms that have started,
            and rooms that have not and whose `on_start` raised. Counted up to a limit.
        admin: Where its metrics are; why they are not, if they should be; or nothing.
        unplaced: Party -> the resources that its rooms wait for, in words.
    """

    load: NodeLoad
    version: int
    live_rooms: int
    outdated_rooms: int
    room_actors: int
    standbys: int
    waiting: int
    started_rooms: int
    failed_rooms: int
    draining: bool = False
    admin: str = ""
    unplaced: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GatewayStatus:
    """Of a gateway."""

    url: str
    sockets: int
    parties: tuple[str, ...]


@dataclass(frozen=True)
class NodeStatus:
    """Of a node; a process that does not answer has no status."""

    node_id: str
    host: str
    draining: bool
    manager: ManagerStatus | None = None
    gateway: GatewayStatus | None = None

    @property
    def ready(self) -> bool:
        """Whether both of its processes work."""
        return self.manager is not None and self.gateway is not None


@dataclass(frozen=True)
class VersionStatus:
    """Of a version of the room classes."""

    version: int
    name: str
    deployed_at_s: float
    parties: tuple[str, ...]
    current: bool
    halted: str = ""


@dataclass(frozen=True)
class ClusterStatus:
    """Of a whole Parlour."""

    nodes: list[NodeStatus]
    versions: list[VersionStatus]
    on_probation: bool
    redis_url: str = field(repr=False)

    @property
    def unplaced(self) -> dict[str, str]:
        """Party -> what its rooms wait for and no node has free, as all nodes say."""
        managers = [node.manager for node in self.nodes if node.manager is not None]
        return {party: what for each in managers for party, what in each.unplaced.items()}

    @property
    def current(self) -> VersionStatus | None:
        """What is deployed."""
        return next((version for version in self.versions if version.current), None)
