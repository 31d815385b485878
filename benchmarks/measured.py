"""What the questions wrote down, in one shape: a case has figures by peer and round.

Each question has a file in build/bench; this reads those that are there. A question that was
asked again has replaced its file, so every file is one run on one machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.ratios import Ratio, ratio_of
from benchmarks.report import FORMAT, OTHERS_CPU_MAX

Better = Literal["more", "less"]
LOAD_QUESTIONS = ("echo", "rooms", "fanout", "http", "storage", "calls", "deploy")


@dataclass(frozen=True)
class Asked:
    """What a figure of a peer is to reach: so many times that of another, or so much."""

    peer: str
    over: str | None
    limit: float


@dataclass
class CaseFigures:
    """One line of a table."""

    name: str
    unit: str
    better: Better
    figures: dict[str, dict[int, float]]  # by peer and round
    asked: list[Asked] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)  # by peer: see report.NOTES

    def ratio(self, peer: str, over: str) -> Ratio | None:
        """How one peer compares with another here."""
        return ratio_of(self.figures.get(peer, {}), self.figures.get(over, {}))


@dataclass
class Measured:
    """One question."""

    name: str
    title: str
    cases: list[CaseFigures]
    content: dict[str, Any]  # the file

    @property
    def peers(self) -> list[str]:
        """Those with a figure, in the order of the file."""
        return list(dict.fromkeys(peer for case in self.cases for peer in case.figures))


def read_all(folder: Path) -> list[Measured]:
    """The questions whose files are there, in the order in which they are asked."""
    found = []
    for name in LOAD_QUESTIONS:
        if content := _content(folder / f"{name}.json"):
            cases = [case for one in content["cases"] for case in _load_cases(one)]
            found.append(Measured(name, content["question"], cases, content))
    if content := _content(folder / "wake.json"):
        title = f"Waking: {content['rooms']} rooms that were never live"
        cases = [_wake_case(case) for case in content["cases"]]
        found.append(Measured("wake", title, cases, content))
    if content := _content(folder / "density.json"):
        title = f"Memory: {content['rooms']:,} rooms, one socket each"
        found.append(Measured("density", title, list(_density_cases(content)), content))
    if content := _content(folder / "storage_in_process.json"):
        cases = [_storage_case(figure) for figure in content["figures"]]
        title = "Storage as a room's own code feels it: no sockets"
        found.append(Measured("storage_in_process", title, cases, content))
    return found


def _content(path: Path) -> dict[str, Any] | None:
    """The file; None where there is none, or one that an earlier version of the question wrote."""
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return content if content.get("format") == FORMAT else None


def _load_cases(case: dict[str, Any]) -> Iterator[CaseFigures]:
    runs: dict[str, list[dict[str, Any]]] = {peer: r for peer, r in case["runs"].items() if r}
    marks = {peer: _marks(its_runs) for peer, its_runs in runs.items()}
    if case["figure"] == "max_us":
        yield _of(case["name"], "ms", "less", _by_round(runs, "max_us", 1e-3), [], marks)
        return
    asked = [Asked(one["peer"], one["over"], one["ratio"]) for one in case["asked"]]
    rates = _by_round(runs, "per_second", 1)
    yield _of(case["name"], "/s", "more", rates, asked, marks)
    if case["sockets"] == 1 or case["asked_p50"]:
        asked = [Asked(one["peer"], one["over"], one["ratio"]) for one in case["asked_p50"]]
        p50s = _by_round(runs, "p50_us", 1e-3)
        yield _of(f"{case['name']}, p50", "ms", "less", p50s, asked, marks)


def _of(
    name: str,
    unit: str,
    better: Better,
    figures: dict[str, dict[int, float]],
    asked: list[Asked],
    marks: dict[str, str],
) -> CaseFigures:
    return CaseFigures(name, unit, better, figures, asked, marks)


def _by_round(
    runs: dict[str, list[dict[str, Any]]], figure: str, factor: float
) -> dict[str, dict[int, float]]:
    return {
        peer: {run["round"]: run[figure] * factor for run in its_runs}
        for peer, its_runs in runs.items()
    }


def _marks(runs: list[dict[str, Any]]) -> str:
    saturated = any(run.get("saturated") for run in runs)
    return "!" * saturated + "~" * any(run["others_cpu"] > OTHERS_CPU_MAX for run in runs)


def _wake_case(case: dict[str, Any]) -> CaseFigures:
    runs = {peer: r for peer, r in case["runs"].items() if r}
    asked = []
    if case["times_workerd_max"] is not None:
        asked.append(Asked("parlour", "workerd", case["times_workerd_max"]))
    if case["ms_max"] is not None:
        asked.append(Asked("parlour", None, case["ms_max"]))
    figure = "in all" if case["figure"] == "total_ms" else "p50"
    marks = {peer: _marks(its_runs) for peer, its_runs in runs.items()}
    figures = _by_round(runs, case["figure"], 1)
    return CaseFigures(f"{case['name']}, {figure}", "ms", "less", figures, asked, marks)


def _density_cases(content: dict[str, Any]) -> Iterator[CaseFigures]:
    for name in dict.fromkeys(figure["name"] for figure in content["figures"]):
        same = [figure for figure in content["figures"] if figure["name"] == name]
        better: Better = "more" if same[0]["unit"] == "/s" else "less"
        asked = [
            Asked(one["peer"], None, one["at_most"]) for one in same if one["at_most"] is not None
        ]
        if name in content["asked_of_workerd"]:
            asked.append(Asked("parlour", "workerd", content["asked_of_workerd"][name]))
        figures = {one["peer"]: {1: one["value"]} for one in same}
        yield CaseFigures(name.strip(), same[0]["unit"], better, figures, asked)


def _storage_case(figure: dict[str, Any]) -> CaseFigures:
    values = dict(enumerate(figure["values"], 1))
    asked = [] if figure["at_most"] is None else [Asked("parlour", None, figure["at_most"])]
    return CaseFigures(figure["name"].strip(), figure["unit"], "less", {"parlour": values}, asked)
