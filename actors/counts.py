"""What the processes count of what they do: plain numbers that only grow, until the process ends.

Counting is an addition where something happens and nothing else; the hibernation manager of the
node is told the numbers in what it is sent anyway, and shows them (`runtime/metrics.py`). Nothing
is counted by room: there may be millions.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, TypeVar

import msgspec

# Upper bounds of a histogram; above the last is one more place.
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Durations(msgspec.Struct):
    """How long something took, as a histogram."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0

    def observe(self, duration_s: float) -> None:
        """It took so long once."""
        self.counts[bisect_left(BUCKETS_S, duration_s)] += 1
        self.sum_s += duration_s


class PartyCounts(msgspec.Struct):
    """Of the rooms of one party in one process."""

    events: int = 0  # handled
    alarms: int = 0  # calls of on_alarm
    wakes: Durations = msgspec.field(default_factory=Durations)  # claim, build, on_start
    failed_starts: int = 0  # on_start raised
    left: dict[str, int] = {}  # rooms that have left in good order, by reason
    resets: int = 0  # rooms that were thrown out
    flushes: Durations = msgspec.field(default_factory=Durations)


class ProcessCounts(msgspec.Struct):
    """Of a room actor."""

    parties: dict[str, PartyCounts] = {}
    lease_losses: int = 0
    redis_reconnects: int = 0

    def party(self, name: str) -> PartyCounts:
        """Those of a party."""
        counts = self.parties.get(name)
        if counts is None:
            counts = self.parties[name] = PartyCounts()
        return counts


class GatewayCounts(msgspec.Struct):
    """Of a gateway."""

    connects: int = 0  # sockets that asked for a room and were not refused at once
    requests: int = 0
    messages_in: int = 0
    bytes_in: int = 0
    messages_out: int = 0  # a broadcast counts once for each socket
    bytes_out: int = 0
    refused: int = 0  # sockets, requests and events that no room has taken
    slow_clients: int = 0  # closed as they did not read what they were sent
    dropped: int = 0  # messages that clients did not read in time, of classes that drop them


class GatewayReport(msgspec.Struct):
    """What a gateway tells the manager of its node now and then."""

    sockets: int  # that are open now
    counts: GatewayCounts


CountsT = TypeVar("CountsT", bound=msgspec.Struct)


def total(kind: type[CountsT], parts: list[CountsT]) -> CountsT:
    """The sum of counts of one kind, place by place."""
    result: CountsT = msgspec.convert(_sum([msgspec.to_builtins(part) for part in parts]), kind)
    return result


def _sum(parts: list[Any]) -> Any:
    if not parts:
        return {}
    first = parts[0]
    if isinstance(first, dict):
        names = dict.fromkeys(name for part in parts for name in part)
        return {name: _sum([part[name] for part in parts if name in part]) for name in names}
    if isinstance(first, list):
        return [sum(column) for column in zip(*parts, strict=True)]
    return sum(parts)
