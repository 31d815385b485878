"""The metrics of a node, by name: made of what is counted, when somebody asks. Pure.

Names, and what each says, are in this file alone. None is labelled by room, as there may be
millions. A counter begins anew when the node's hibernation manager is restarted: with what the
processes that are there have counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..actors.counts import BUCKETS_S, Durations, PartyCounts
from .actor_record import ActorState
from .node_counts import NodeCounts
from .pool import Pool

PARTY = "party"

# What a gateway counts -> the name of the metric, and what it says.
GATEWAY_COUNTERS = {
    "connects": ("parlour_connects", "WebSockets that asked for a room and were not refused"),
    "requests": ("parlour_requests", "HTTP requests to rooms"),
    "messages_in": ("parlour_messages_received", "Messages that clients sent"),
    "bytes_in": ("parlour_received_bytes", "Bytes of those messages"),
    "messages_out": ("parlour_messages_sent", "Messages to clients, a broadcast for each of them"),
    "bytes_out": ("parlour_sent_bytes", "Bytes of those messages"),
    "refused": ("parlour_refused", "Sockets, requests and events that no room has taken"),
    "slow_clients": ("parlour_slow_clients", "Clients closed as they did not read what they got"),
    "dropped": (
        "parlour_dropped_messages",
        "Messages dropped as clients did not read them in time",
    ),
}


class NodeMetrics(Collector):
    """Reads pool and counts of a manager."""

    def __init__(self, pool: Pool, counts: NodeCounts) -> None:
        self.rooms_waiting = 0  # for a process; the manager says it before somebody looks
        self._pool = pool
        self._counts = counts
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def __repr__(self) -> str:
        return f"<NodeMetrics of {self._pool!r}>"

    def text(self) -> bytes:
        """Everything, in the text format of Prometheus."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are not checked against other collectors, as there are none."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric, as things are now."""
        yield from self._gauges()
        yield from self._of_rooms()
        gateway = self._counts.gateways.sum()
        for field, (name, what) in GATEWAY_COUNTERS.items():
            yield CounterMetricFamily(name, what, value=getattr(gateway, field))

    def _gauges(self) -> Iterator[Metric]:
        rooms = list(self._pool.rooms())
        waking = Counter(room.key.party for _, room in rooms if room.state == "waking")
        live = Counter(room.key.party for _, room in rooms if room.state != "waking")
        parties = self._pool.options.keys() | waking.keys() | live.keys()
        yield _gauge("parlour_rooms_live", "Rooms that have a process", PARTY, parties, live)
        yield _gauge("parlour_rooms_waking", "Rooms in on_start or before", PARTY, parties, waking)
        states = Counter(record.state.value for record in self._pool.actors.values())
        known = [state.value for state in ActorState]
        yield _gauge("parlour_room_actors", "Processes for rooms", "state", known, states)
        yield GaugeMetricFamily(
            "parlour_rooms_waiting", "Rooms that wait for a process", self.rooms_waiting
        )
        yield GaugeMetricFamily(
            "parlour_sockets", "Clients that are connected", self._counts.sockets
        )
        yield GaugeMetricFamily(
            "parlour_version", "The version of the room classes in use", self._pool.version
        )

    def _of_rooms(self) -> Iterator[Metric]:
        counts = self._counts.room_actors.sum()
        parties = {name: counts.parties[name] for name in sorted(counts.parties)}
        yield _by_party("parlour_events", "Events handled", parties, "events")
        yield _by_party("parlour_alarms", "Calls of on_alarm", parties, "alarms")
        yield _by_party("parlour_failed_starts", "Times on_start raised", parties, "failed_starts")
        yield _by_party("parlour_resets", "Rooms thrown out", parties, "resets")
        left = CounterMetricFamily(
            "parlour_hibernations",
            "Rooms that left their process in good order",
            labels=[PARTY, "reason"],
        )
        for name, of_party in parties.items():
            for reason, count in sorted(of_party.left.items()):
                left.add_metric([name, reason], count)
        yield left
        wakes = {name: of_party.wakes for name, of_party in parties.items()}
        yield _histogram("parlour_wake_seconds", "From the claim to the end of on_start", wakes)
        flushes = {name: of_party.flushes for name, of_party in parties.items()}
        yield _histogram("parlour_flush_seconds", "Until the server has answered a flush", flushes)
        yield CounterMetricFamily(
            "parlour_lease_losses", "Room actors that lost their lease", counts.lease_losses
        )
        yield CounterMetricFamily(
            "parlour_redis_reconnects",
            "Times a room actor's connection to the rooms' server was opened again",
            counts.redis_reconnects,
        )


def _gauge(name: str, what: str, label: str, values: Iterable[str], counts: Counter[str]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=[label])
    for value in sorted(values):
        family.add_metric([value], counts[value])
    return family


def _by_party(name: str, what: str, parties: dict[str, PartyCounts], field: str) -> Metric:
    family = CounterMetricFamily(name, what, labels=[PARTY])
    for party, counts in parties.items():
        family.add_metric([party], getattr(counts, field))
    return family


def _histogram(name: str, what: str, parties: dict[str, Durations]) -> Metric:
    family = HistogramMetricFamily(name, what, labels=[PARTY])
    bounds = [*(str(bound) for bound in BUCKETS_S), "+Inf"]
    for party, durations in parties.items():
        buckets = list(zip(bounds, map(float, accumulate(durations.counts)), strict=True))
        family.add_metric([party], buckets, durations.sum_s)
    return family
