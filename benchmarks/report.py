"""Tables and JSON out of what was measured: medians, spread, ratios, machine and versions."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.ratios import Ratio, ratio_of

if TYPE_CHECKING:
    from benchmarks.harness import Case, Outcome, Run

FORMAT = 2  # of the files of results; those in another one are asked again
Figure = Literal["per_second", "p50_us"]
COLUMNS = (
    "",
    "a second",
    "min - max",
    "p50 ms",
    "p99 ms",
    "CPU",
    "load CPU",
    "x workerd",
    "x bare",
)
WIDTHS = (25, 10, 19, 9, 9, 8, 11, 11, 9)
OTHERS_CPU_MAX = 0.2  # of a core, used by others: from here on a figure says so
NOTES = {
    "!": "the load generator was saturated: the peer could do more than this",
    "~": f"other processes used over {OTHERS_CPU_MAX:.0%} of a core: run it on a quiet machine",
}


def table(outcome: Outcome) -> str:
    """The question's cases, each with a line per peer, and what was asked."""
    question, settings = outcome.question, outcome.settings
    lines = [
        f"{question.title}",
        f"medians of {settings.rounds} rounds of {settings.seconds:g} s; {machine_line()}",
    ]
    for case in question.cases:
        measured = {
            peer: runs for peer in question.peers if (runs := outcome.runs.get((case.name, peer)))
        }
        lines += ["", _row((case.name, *COLUMNS[1:]))]
        lines += [_row(_cells(peer, measured)) for peer in measured]
        lines += [f"  {line}" for line in _verdicts(case, measured)]
    marks = {mark for runs in outcome.runs.values() for mark in _marks(runs)}
    lines += ["", *(f"{mark}  {note}" for mark, note in NOTES.items() if mark in marks)]
    lines += ["", *(f"{peer}: {_versions(names)}" for peer, names in outcome.versions.items())]
    lines += [f"PROBLEM: {problem}" for problem in outcome.problems]
    return "\n".join(lines) + "\n"


def write_json(outcome: Outcome, folder: Path) -> Path:
    """All runs, one file per question, replaced each time."""
    path = folder / f"{outcome.question.name}.json"
    settings = dataclasses.asdict(outcome.settings)
    content = {
        "question": outcome.question.title,
        **circumstances(),
        "settings": settings,
        "versions": outcome.versions,
        "cases": [_case_json(case, outcome) for case in outcome.question.cases],
        "problems": outcome.problems,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def line(run: Run) -> str:
    """One run, for the progress."""
    return (
        f"{run['per_second']:>10,.0f}/s   p50 {run['p50_us'] / 1000:.2f} ms"
        f"   p99 {run['p99_us'] / 1000:.2f} ms   CPU: peer {run['peer_cpu']:.0%},"
        f" load {run['cpu']:.0%}, others {run['others_cpu']:.0%} {_marks([run])}"
    )


def machine() -> dict[str, Any]:
    """What the figures depend on. Load average: who else was busy, before and during the run."""
    model = next(
        (
            row.partition(":")[2].strip()
            for row in Path("/proc/cpuinfo").read_text().splitlines()
            if row.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
    }


def circumstances() -> dict[str, Any]:
    """What every file of results says first: its form, when, and on what."""
    now = datetime.datetime.now(datetime.UTC)
    at = now.isoformat(timespec="seconds")
    return {"format": FORMAT, "measured_at": at, "machine": machine()}


def _cells(peer: str, measured: dict[str, list[Run]]) -> tuple[str, ...]:
    runs = measured[peer]
    rates = [run["per_second"] for run in runs]
    return (
        f"  {peer}",
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f} - {max(rates):,.0f}",
        f"{median(run['p50_us'] for run in runs) / 1000:.3f}",
        f"{median(run['p99_us'] for run in runs) / 1000:.3f}",
        f"{median(run['peer_cpu'] for run in runs):.0%}",
        f"{_marks(runs)} {median(run['cpu'] for run in runs):.0%}",
        _times(ratio(peer, "workerd", measured)),
        _times(ratio(peer, "bare", measured)),
    )


def _marks(runs: list[Run]) -> str:
    """Signs of NOTES that hold for any of the runs."""
    saturated = any(run["saturated"] for run in runs)
    disturbed = any(run["others_cpu"] > OTHERS_CPU_MAX for run in runs)
    return "!" * saturated + "~" * disturbed


def ratio(
    peer: str, over: str, measured: dict[str, list[Run]], figure: Figure = "per_second"
) -> Ratio | None:
    """How a figure of one peer compares with another's; None where one was not measured."""
    ours, theirs = (
        {run["round"]: run[figure] for run in measured.get(name, ())} for name in (peer, over)
    )
    return ratio_of(ours, theirs)


def _verdicts(case: Case, measured: dict[str, list[Run]]) -> list[str]:
    lines = []
    for (peer, over), asked in case.asked.items():
        reached = ratio(peer, over, measured)
        met = reached is not None and reached.median >= asked
        verdict = _verdict(reached, met, measured, peer, over)
        lines.append(f"asked: {peer} at {asked:g} x {over} or more; {verdict}")
    for (peer, over), asked in case.asked_p50.items():
        reached = ratio(peer, over, measured, "p50_us")
        met = reached is not None and reached.median <= asked
        verdict = _verdict(reached, met, measured, peer, over)
        lines.append(f"asked: p50 of {peer} at {asked:g} x that of {over} or less; {verdict}")
    return lines


def _verdict(
    reached: Ratio | None, met: bool, measured: dict[str, list[Run]], peer: str, over: str
) -> str:
    if reached is None:
        return "not measured"
    busy = "~" in _marks([*measured[peer], *measured[over]])
    doubt = ", but the machine was busy (~)" if busy else ""
    return f"reached {reached}: {'met' if met else 'missed'}{doubt}"


def _case_json(case: Case, outcome: Outcome) -> dict[str, Any]:
    measured = {peer: runs for (name, peer), runs in outcome.runs.items() if name == case.name}
    fields = dataclasses.asdict(case)
    fields["asked"] = [
        {"peer": peer, "over": over, "ratio": asked} for (peer, over), asked in case.asked.items()
    ]
    fields["asked_p50"] = [
        {"peer": peer, "over": over, "ratio": asked}
        for (peer, over), asked in case.asked_p50.items()
    ]
    return {**fields, "runs": measured}


def machine_line() -> str:
    """What the figures depend on, in one line."""
    facts = machine()
    busy = facts["load_average"][0]
    return (
        f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}, load average {busy:.1f}"
    )


def _versions(names: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in names.items())


def _times(value: Ratio | None) -> str:
    return "" if value is None else f"{value.median:.2f}"


def _row(cells: tuple[str, ...]) -> str:
    first = cells[0].ljust(WIDTHS[0])
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], WIDTHS[1:], strict=True))
    return (first + "".join(rest)).rstrip()
