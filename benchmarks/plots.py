"""The plots of RESULTS.md: which there are, from which questions. charts.py draws them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.charts import bar_chart, lines_chart
from benchmarks.measured import Measured
from benchmarks.scale_plot import Series as Line
from benchmarks.scale_plot import line_chart

SHOWN_LATENCY = ("parlour", "workerd", "fastapi")
PERCENTILES = {"p50": "p50_us", "p90": "p90_us", "p99": "p99_us"}
Series = Mapping[str, Sequence[float | None]]


def write_all(questions: Sequence[Measured], folder: Path) -> list[Path]:
    """Draw what can be drawn from these questions; plots from before are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    by_name = {question.name: question for question in questions}
    written = []
    for name, svg in _all(by_name):
        path = folder / f"{name}.svg"
        path.write_text(svg)
        written.append(path)
    return written


def _all(questions: Mapping[str, Measured]) -> Iterator[tuple[str, str]]:
    if echo := questions.get("echo"):
        cases = echo.content["cases"]
        by_sockets = [case for case in cases if case["size_bytes"] == 64]
        by_size = [case for case in cases if case["sockets"] == 50]
        labels = [str(case["sockets"]) for case in by_sockets]
        title = "Echo in one room: throughput by connections (64 B)"
        rates = _of_peers(by_sockets, "per_second", 1)
        yield "echo-by-connections", lines_chart(title, "clients", "messages/s", labels, rates)
        sizes = [f"{case['size_bytes']:,} B" for case in by_size]
        title = "Echo in one room: throughput by message size (50 clients)"
        rates = _of_peers(by_size, "per_second", 1)
        yield "echo-by-size", lines_chart(title, "message", "messages/s", sizes, rates)
        title = "Echo in one room: latency by load (64 B)"
        latencies = {
            f"{peer} {name}": values
            for name, figure in PERCENTILES.items()
            for peer, values in _of_peers(by_sockets, figure, 1e-3).items()
            if peer in SHOWN_LATENCY
        }
        yield "echo-latency", lines_chart(title, "clients", "ms", labels, latencies, log=True)
    if wake := questions.get("wake"):
        names = [case.name for case in wake.cases]
        series: Series = {
            peer: [_median(list(case.figures.get(peer, {}).values())) for case in wake.cases]
            for peer in wake.peers
        }
        yield "waking", bar_chart("Waking: what a client waits for", "ms", names, series)
    if (density := questions.get("density")) and density.content["growth"]:
        lines = [
            Line(stage, [(rooms, megabytes) for rooms, megabytes in points], number)
            for number, (stage, points) in enumerate(density.content["growth"].items())
        ]
        title = "Memory by rooms, over that of the empty server"
        yield "memory-by-rooms", line_chart(title, "rooms", "MB", lines)


def _of_peers(cases: Sequence[dict[str, Any]], figure: str, factor: float) -> Series:
    peers = dict.fromkeys(peer for case in cases for peer in case["runs"])
    return {
        peer: [
            _median([run[figure] * factor for run in case["runs"].get(peer, ())]) for case in cases
        ]
        for peer in peers
    }


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
