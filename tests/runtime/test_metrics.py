"""The metrics of a node by name, as Prometheus reads them."""

from __future__ import annotations

from parlour.actors.counts import GatewayCounts, GatewayReport, ProcessCounts
from parlour.actors.messages import RoomKey, RoomReport
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.runtime.metrics import GATEWAY_COUNTERS, NodeMetrics
from parlour.runtime.node_counts import NodeCounts
from parlour.runtime.pool import Pool
from prometheus_client.parser import text_string_to_metric_families


class Chat(Room):
    """A class like any other."""


def node() -> tuple[Pool, NodeCounts, NodeMetrics]:
    """A node where `chat` is deployed and nothing has happened."""
    pool, counts = Pool(standbys=1, live_rooms_max=10), NodeCounts()
    pool.deploy(3, {"chat": options_of(Chat)})
    return pool, counts, NodeMetrics(pool, counts)


def read(metrics: NodeMetrics) -> dict[str, float]:
    """Every sample: its name with its labels -> its value."""
    samples = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = "".join(f" {name}={value}" for name, value in sorted(sample.labels.items()))
            samples[sample.name + labels] = sample.value
    return samples


def test_a_node_where_nothing_has_happened_shows_its_parties() -> None:
    """So that a graph begins at 0, and not where something is first counted."""
    _, _, metrics = node()
    found = read(metrics)
    assert found["parlour_rooms_live party=chat"] == 0
    assert found["parlour_room_actors state=standby"] == 0
    assert found["parlour_version"] == 3
    assert found["parlour_sockets"] == found["parlour_connects_total"] == 0


def test_live_and_waking_rooms_are_told_apart_by_party() -> None:
    """As their room actors report them; none by its name."""
    pool, _, metrics = node()
    record = pool.add("a", 3)
    rooms = [
        RoomReport(RoomKey("chat", f"secret-{number}"), state, 0.0, 0, 0.0)
        for number, state in enumerate(["live", "idle", "draining", "waking"])
    ]
    pool.report(record, rooms, 1, 0.0)
    found = read(metrics)
    assert found["parlour_rooms_live party=chat"] == 3
    assert found["parlour_rooms_waking party=chat"] == 1
    assert found["parlour_room_actors state=starting"] == 1
    assert b"secret" not in metrics.text()


def test_what_rooms_do_is_counted_by_party() -> None:
    """Durations as histograms, whose buckets count what is shorter too."""
    _, counts, metrics = node()
    of_process = ProcessCounts(lease_losses=2, redis_reconnects=3)
    chat = of_process.party("chat")
    chat.events, chat.alarms, chat.failed_starts, chat.resets = 10, 4, 5, 6
    chat.left = {"hibernate": 7, "move": 8}
    for duration_s in (0.0002, 0.3, 100.0):
        chat.wakes.observe(duration_s)
    counts.room_actors.take("a", of_process)

    found = read(metrics)

    assert found["parlour_events_total party=chat"] == 10
    assert found["parlour_alarms_total party=chat"] == 4
    assert found["parlour_failed_starts_total party=chat"] == 5
    assert found["parlour_resets_total party=chat"] == 6
    assert found["parlour_hibernations_total party=chat reason=hibernate"] == 7
    assert found["parlour_hibernations_total party=chat reason=move"] == 8
    assert found["parlour_wake_seconds_bucket le=0.0005 party=chat"] == 1
    assert found["parlour_wake_seconds_bucket le=0.5 party=chat"] == 2
    assert found["parlour_wake_seconds_bucket le=+Inf party=chat"] == 3
    assert found["parlour_wake_seconds_count party=chat"] == 3
    assert found["parlour_wake_seconds_sum party=chat"] == 100.3002
    assert found["parlour_flush_seconds_count party=chat"] == 0
    assert found["parlour_lease_losses_total"] == 2
    assert found["parlour_redis_reconnects_total"] == 3


def test_everything_that_a_gateway_counts_has_a_name() -> None:
    """And its value is that of the gateway."""
    _, counts, metrics = node()
    assert GATEWAY_COUNTERS.keys() == set(GatewayCounts.__struct_fields__)
    of_gateway = GatewayCounts(*range(1, len(GATEWAY_COUNTERS) + 1))
    counts.gateway_reports("g", GatewayReport(9, of_gateway))
    found = read(metrics)
    assert found["parlour_sockets"] == 9
    for field, (name, _) in GATEWAY_COUNTERS.items():
        assert found[f"{name}_total"] == getattr(of_gateway, field)


def test_every_metric_says_what_it_is() -> None:
    """In the text that a dashboard shows."""
    _, _, metrics = node()
    assert all(metric.documentation for metric in metrics.collect())
