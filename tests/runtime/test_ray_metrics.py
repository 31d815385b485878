"""Metrics as Ray's own: gauges are set, counters grow by what is new."""

from __future__ import annotations

import pytest
from parlour.runtime import ray_metrics
from parlour.runtime.ray_metrics import RayMetrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily


class Told:
    """A metric of Ray that keeps what it is told; Ray's own need a cluster to be read."""

    all: dict[str, Told] = {}

    def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
        self.tag_keys = tag_keys
        self.values: list[tuple[float, dict[str, str]]] = []
        assert description
        assert name not in self.all  # Ray warns of one that is made twice
        self.all[name] = self

    def set(self, value: float, tags: dict[str, str]) -> None:
        self.values.append((value, tags))

    inc = set


def test_what_is_new_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gauge each time; a counter, and the number and sum of a histogram, when they have grown."""
    monkeypatch.setattr(Told, "all", {})
    monkeypatch.setattr(ray_metrics, "Gauge", Told)
    monkeypatch.setattr(ray_metrics, "Counter", Told)
    metrics = RayMetrics()
    for events in (2.0, 5.0, 5.0):
        gauge = GaugeMetricFamily("live", "rooms", events)
        counter = CounterMetricFamily("events", "handled", labels=["party"])
        counter.add_metric(["chat"], events)
        counter.add_metric(["game"], 1.0)
        histogram = HistogramMetricFamily("wake", "took", labels=["party"])
        histogram.add_metric(["chat"], [("1.0", 1.0), ("+Inf", events)], 7.5)
        metrics.tell([gauge, counter, histogram])

    chat, game = {"party": "chat"}, {"party": "game"}
    assert {name: told.values for name, told in Told.all.items()} == {
        "live": [(2.0, {}), (5.0, {}), (5.0, {})],
        "events_total": [(2.0, chat), (1.0, game), (3.0, chat)],
        "wake_count": [(2.0, chat), (3.0, chat)],
        "wake_sum": [(7.5, chat)],
    }
    assert Told.all["events_total"].tag_keys == ("party",)
