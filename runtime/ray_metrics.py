"""The node's metrics as Ray's own, for those who watch their cluster through it.

Ray's exporter puts `ray_` before each name. Of a histogram it gets the number and the sum, as what
was measured is known by its buckets alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from ray.util.metrics import Counter, Gauge

HISTOGRAM_PARTS = ("_count", "_sum")


class RayMetrics:
    """Tells Ray; in a process of its cluster."""

    def __init__(self) -> None:
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}
        self._told: dict[tuple[str, tuple[str, ...]], float] = {}

    def __repr__(self) -> str:
        return f"<RayMetrics {len(self._gauges) + len(self._counters)} names>"

    def tell(self, metrics: Iterable[Metric]) -> None:
        """Have Ray know how things are now; called now and then."""
        for metric in metrics:
            for sample in metric.samples:
                if metric.type == "gauge":
                    self._set(sample.name, metric.documentation, sample.labels, sample.value)
                elif metric.type == "counter" or sample.name.endswith(HISTOGRAM_PARTS):
                    self._add(sample.name, metric.documentation, sample.labels, sample.value)

    def _set(self, name: str, what: str, labels: dict[str, str], value: float) -> None:
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(name, what, tag_keys=tuple(labels))
        gauge.set(value, tags=labels)

    def _add(self, name: str, what: str, labels: dict[str, str], value: float) -> None:
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = Counter(name, what, tag_keys=tuple(labels))
        told = self._told.get((name, tuple(labels.values())), 0.0)
        if value > told:
            counter.inc(value - told, tags=labels)
            self._told[name, tuple(labels.values())] = value
