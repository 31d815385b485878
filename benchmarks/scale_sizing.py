"""What so many rooms and sockets take: plain arithmetic from `scale_costs.py`.

Promises a lower bound by resource and which of them decides. Even spread of rooms over nodes and
of sockets over gateways is assumed; how even it is, the simulation tells (`scale_day.py`).
Not here: latency, and what fails over when a node is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.scale_costs import cost

LOOKS_PER_S = 5
REPORTS_PER_S = 4
ALARM_PARTS = 16
ALARM_POLLS_PER_S = 5
LEASE_COMMANDS_PER_S = 1
COMMANDS_A_WAKE = 3  # look-up, claim, release


@dataclass(frozen=True)
class Load:
    """What is asked of a cluster."""

    rooms: int = 1_000_000
    sockets: int = 10_000_000
    live_share: float = 0.2  # of the rooms, at the busiest time
    live_s: float = 300.0  # from a wake until it hibernates, on average
    messages_per_socket_s: float = 0.02  # one in 50 s; of all sockets, also of silent ones
    stored_share: float = 1.0  # of the messages: each of these is a flush of its own
    broadcast: bool = True  # each message goes to every socket of its room
    message_bytes: int = 200
    keys_per_room: int = 20
    rooms_per_actor: int = 500

    @property
    def live_rooms(self) -> float:
        return self.rooms * self.live_share

    @property
    def sockets_per_room(self) -> float:
        return self.sockets / self.rooms

    @property
    def messages_per_s(self) -> float:
        return self.sockets * self.messages_per_socket_s

    @property
    def deliveries_per_s(self) -> float:
        """Frames to clients: of a broadcast to the whole room, or one answer a message."""
        return self.messages_per_s * (self.sockets_per_room if self.broadcast else 1)

    @property
    def wakes_per_s(self) -> float:
        return self.live_rooms / self.live_s

    @property
    def room_actors(self) -> int:
        return math.ceil(self.live_rooms / self.rooms_per_actor)


@dataclass(frozen=True)
class Machine:
    """A node of the cluster, with one gateway and one manager, and what a primary may hold."""

    cores: int = 16
    memory_bytes: float = 64e9
    network_bits_per_s: float = 10e9
    free_share: float = 0.2  # of the memory, for the system, Ray and what rooms keep for a while
    redis_bytes: float = 16e9  # of one primary
    replicas: int = 1


@dataclass(frozen=True)
class Sizing:
    """What it takes.

    Attributes:
        nodes_for: By resource, how many nodes would be needed for it alone.
        shards_for: By resource, how many Redis primaries.
    """

    load: Load
    machine: Machine
    nodes_for: dict[str, int]
    shards_for: dict[str, int]
    gateway_bytes: float  # all gateways, without the kernel's
    kernel_bytes: float
    live_bytes: float  # all room actors
    redis_bytes: float  # keys, one copy
    redis_commands_per_s: float
    flushes_per_s: float

    @property
    def nodes(self) -> int:
        return max(self.nodes_for.values())

    @property
    def shards(self) -> int:
        return max(self.shards_for.values())

    @property
    def redis_processes(self) -> int:
        return self.shards * (1 + self.machine.replicas)

    @property
    def node_bottleneck(self) -> str:
        return max(self.nodes_for, key=self.nodes_for.__getitem__)

    @property
    def shard_bottleneck(self) -> str:
        return max(self.shards_for, key=self.shards_for.__getitem__)

    @property
    def redis_total_bytes(self) -> float:
        """Of all primaries and replicas, with what a process takes beside its keys."""
        return self.redis_bytes * cost("redis overhead") * (1 + self.machine.replicas)

    @property
    def client_bits_per_s(self) -> float:
        """In and out of one node, to its clients."""
        return client_bits_per_s(self.load) / self.nodes

    @property
    def link_bits_per_s(self) -> float:
        """In and out of one node, to other gateways and room actors."""
        return link_bits_per_s(self.load, self.nodes) / self.nodes


def size(load: Load, machine: Machine) -> Sizing:
    """Reckon it."""
    gateway_bytes = load.sockets * cost("socket")
    kernel_bytes = load.sockets * cost("kernel socket")
    live_bytes = load.live_rooms * cost("live room") + load.room_actors * cost("room actor")
    redis_bytes = load.rooms * (cost("stored room") + load.keys_per_room * cost("key"))
    flushes_per_s = load.messages_per_s * load.stored_share

    def nodes(needs: float, has: float) -> int:
        return max(1, math.ceil(needs / has))

    busy = cost("busy share")
    memory = machine.memory_bytes * (1 - machine.free_share)
    nodes_for = {
        "CPU of the gateway": nodes(gateway_cores(load), busy),
        "CPU of the manager": nodes(manager_cores(load), busy),
        # The other processes get the cores that gateway and manager leave.
        "CPU of room actors": nodes(room_cores(load), (machine.cores - 2) * busy),
        "memory": nodes(gateway_bytes + kernel_bytes + live_bytes, memory),
    }
    traffic_per_node = client_bits_per_s(load) + link_bits_per_s(load, max(nodes_for.values()))
    nodes_for["network"] = nodes(traffic_per_node, machine.network_bits_per_s * busy)
    commands = redis_commands_per_s(load, max(nodes_for.values()))
    shards_for = {
        "memory": nodes(redis_bytes * cost("redis overhead"), machine.redis_bytes),
        "commands": nodes(commands, cost("commits") * busy),
    }
    return Sizing(
        load,
        machine,
        nodes_for,
        shards_for,
        gateway_bytes,
        kernel_bytes,
        live_bytes,
        redis_bytes,
        commands,
        flushes_per_s,
    )


# Cores of each kind of process, in all of the cluster


def gateway_cores(load: Load) -> float:
    """An echoed message has its answer in it; what a broadcast delivers beyond that is added."""
    more = load.deliveries_per_s - load.messages_per_s
    return load.messages_per_s * cost("message in gateway") + more * cost("delivery")


def room_cores(load: Load) -> float:
    """Messages, and wakes."""
    return load.messages_per_s * cost("message in room") + load.wakes_per_s * cost("wake")


def manager_cores(load: Load) -> float:
    """It looks at every live room, and hears of it, some times a second."""
    return load.live_rooms * (LOOKS_PER_S * cost("look") + REPORTS_PER_S * cost("report"))


def redis_commands_per_s(load: Load, nodes: int) -> float:
    """All counted as dear as a flush, which is on the safe side: most of the rest only read."""
    flushes = load.messages_per_s * load.stored_share
    leases = load.room_actors * LEASE_COMMANDS_PER_S
    alarms = nodes * ALARM_PARTS * ALARM_POLLS_PER_S
    return flushes + load.wakes_per_s * COMMANDS_A_WAKE + leases + alarms


# Network, in and out together, of all nodes


def client_bits_per_s(load: Load) -> float:
    """Messages and deliveries, each in a packet, and an empty packet back to acknowledge it."""
    packets = load.messages_per_s + load.deliveries_per_s
    return 8 * packets * (load.message_bytes + 2 * cost("packet"))


def link_bits_per_s(load: Load, nodes: int) -> float:
    """Between nodes: a message whose gateway is elsewhere, its DONE, one frame a gateway back.

    Counted at both ends. A room's sockets are on gateways by chance.
    """
    away = 1 - 1 / nodes
    gateways = nodes * (1 - away**load.sockets_per_room) if nodes > 1 else 1.0
    frames_back = (gateways - 1 if load.broadcast else away) + away
    frames = load.messages_per_s * (away + frames_back)
    return 2 * 8 * frames * (load.message_bytes + cost("packet"))


def cores_of(sizing: Sizing) -> dict[str, float]:
    """Busy cores in all, by kind of process."""
    kinds: dict[str, Callable[[Load], float]] = {
        "gateways": gateway_cores,
        "managers": manager_cores,
        "room actors": room_cores,
    }
    return {name: of(sizing.load) for name, of in kinds.items()}
