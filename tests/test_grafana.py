"""deploy/grafana/parlour.json: its queries name metrics that exist, and leave none out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from parlour.actors.counts import ProcessCounts
from parlour.runtime.metrics import NodeMetrics
from parlour.runtime.node_counts import NodeCounts
from parlour.runtime.pool import Pool
from prometheus_client import Metric

DASHBOARD = Path(__file__).parent.parent / "deploy" / "grafana" / "parlour.json"
PARTS = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}


def metrics() -> list[Metric]:
    """Everything that a node shows."""
    counts = NodeCounts()
    process = ProcessCounts()
    process.party("chat").left["hibernate"] = 1
    counts.room_actors.take("a", process)
    return list(NodeMetrics(Pool(0, 0), counts).collect())


def queries() -> list[str]:
    """What the dashboard asks Prometheus."""
    found: list[str] = []

    def look(at: Any) -> None:
        if isinstance(at, dict):
            found.extend(at[name] for name in ("expr", "query") if isinstance(at.get(name), str))
            at = list(at.values())
        if isinstance(at, list):
            for each in at:
                look(each)

    look(json.loads(DASHBOARD.read_text()))
    return found


def test_every_metric_of_a_query_exists() -> None:
    """With the ending that its kind has; a graph of another name would stay empty."""
    exist = {metric.name + part for metric in metrics() for part in PARTS[metric.type]}
    used = set(re.findall(r"\bparlour_\w+", " ".join(queries())))
    assert len(used) > 15
    assert used - exist == set()


def test_every_metric_has_its_place_on_the_dashboard() -> None:
    """What is worth counting is worth being looked at."""
    used = " ".join(queries())
    assert [metric.name for metric in metrics() if metric.name not in used] == []


def test_every_label_of_a_query_exists() -> None:
    """What is summed up by a label that is not there falls together."""
    labels = {name for metric in metrics() for each in metric.samples for name in each.labels}
    used = {
        name.strip()
        for group in re.findall(r"by \(([^)]*)\)", " ".join(queries()))
        for name in group.split(",")
    }
    assert used - labels <= {"instance"}  # Prometheus' own: the node
    legends = set(re.findall(r"{{(\w+)}}", DASHBOARD.read_text()))
    assert legends <= used
