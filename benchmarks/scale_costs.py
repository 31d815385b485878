"""What one unit costs: the figures from which `scale_sizing.py` reckons, each with its source.

Only what this project has measured is called measured. What it has not is an assumption, and says
what would measure it.
"""

from __future__ import annotations

from typing import NamedTuple


class Cost(NamedTuple):
    """A figure and where it is from.

    Attributes:
        source: The command that measures it, or for an assumption what would.
    """

    value: float
    unit: str
    what: str
    source: str
    measured: bool = True


_DENSITY = "`python -m benchmarks.bench_density`"
_ECHO = "`python -m benchmarks.bench_echo`"
_SCALE = "`python -m benchmarks.scale measure`"
_STORAGE = _SCALE

COSTS: dict[str, Cost] = {
    "socket": Cost(11_500, "bytes", "a hibernated room with its socket, in the gateway", _DENSITY),
    "live room": Cost(15_300, "bytes", "a live room, 500 in a room actor", _DENSITY),
    "room actor": Cost(51e6, "bytes", "an empty room actor, memory of its own", _DENSITY),
    "start": Cost(
        0.8,
        "CPU-s",
        "starting a room actor (1.2 s by the clock)",
        "timed with Ray 2.60 when Parlour was designed",
    ),
    "message in gateway": Cost(11e-6, "CPU-s", "an echoed message, in the gateway", _ECHO),
    "message in room": Cost(5e-6, "CPU-s", "an echoed message, in the room actor", _ECHO),
    "delivery": Cost(
        1 / 172_000,
        "CPU-s",
        "one delivery of a broadcast to 100 sockets (172,000 a second), all charged to the gateway",
        "`python -m benchmarks.bench_fanout`",
    ),
    "wake": Cost(
        3.4e-3,
        "CPU-s",
        "a wake in a shared room actor, the slowest median of three runs, as if all of it were CPU",
        "`python -m benchmarks.bench_wake`",
    ),
    "commits": Cost(
        11_800,
        "a second",
        "acknowledged puts over 100 rooms, fsync always, on two cores that ran all of Parlour too",
        "`python -m benchmarks.bench_storage`",
    ),
    "commits of one room": Cost(
        23_200,
        "a second",
        "acknowledged puts in one room, 50 clients, fsync always",
        "`python -m benchmarks.bench_storage`",
    ),
    "key": Cost(101, "bytes", "a key with a value of 64 characters, in Redis", _STORAGE),
    "stored room": Cost(450, "bytes", "a room in Redis, beside its keys", _STORAGE),
    "look": Cost(1.6e-6, "CPU-s", "a live room in a look of its manager (5 a second)", _SCALE),
    "report": Cost(2.4e-6, "CPU-s", "a live room in a report to its manager (4 a second)", _SCALE),
    "kernel socket": Cost(
        4_000,
        "bytes",
        "an idle TCP socket in the kernel",
        "`/proc/net/sockstat` and slabs beside bench_density, over a network",
        measured=False,
    ),
    "packet": Cost(
        78,
        "bytes",
        "Ethernet, IP, TCP and WebSocket heads of one message, each in a packet of its own",
        "a packet capture between client and gateway",
        measured=False,
    ),
    "redis overhead": Cost(
        1.5,
        "times",
        "memory of a Redis process to what its keys take: fragments, a rewrite of its file",
        "`INFO memory` of a server of that size during BGREWRITEAOF",
        measured=False,
    ),
    "busy share": Cost(
        0.6,
        "of a core",
        "of a process's core, or of a node's, that may be in use on average",
        "latency under open load, which no benchmark has yet",
        measured=False,
    ),
}


def cost(name: str) -> float:
    """The figure of this name.

    Raises:
        KeyError: If there is none.
    """
    return COSTS[name].value
