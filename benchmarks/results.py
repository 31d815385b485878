"""Writes benchmarks/RESULTS.md and the plots beside it from what the questions have written down.

    python -m benchmarks.results

Measures nothing: it can be run again at any time, with whatever is in build/bench.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks import plots
from benchmarks.charts import number_text
from benchmarks.harness import FOLDER, ROOT
from benchmarks.measured import Asked, CaseFigures, Measured, read_all
from benchmarks.peers.registry import LIMITS
from benchmarks.ratios import spread
from benchmarks.report import NOTES

RESULTS = Path(__file__).parent / "RESULTS.md"
PLOTS = Path(__file__).parent / "plots"
INTRODUCTION = """# Results

Written by `python -m benchmarks.results` from the runs of `make bench`; what is measured, and how,
is in [README.md](README.md). Each figure is the median over the rounds, `±` half the distance
between its least and its greatest. A ratio is the median of the rounds' own ratios, with the least
and the greatest; the ratio of the medians stands beside it where it differs by over 5 %.
"""


def write(folder: Path, results: Path, plots_folder: Path) -> list[Path]:
    """Write all that the files in `folder` allow; what was written."""
    questions = read_all(folder)
    drawn = plots.write_all(questions, plots_folder)
    results.write_text("\n".join(page(questions, [path.name for path in drawn])) + "\n")
    return [results, *drawn]


def page(questions: Sequence[Measured], plot_names: Sequence[str]) -> Iterator[str]:
    """The lines of RESULTS.md."""
    yield INTRODUCTION
    yield from _asked(questions)
    for question in questions:
        yield from _table(question)
    if plot_names:
        yield "## Plots\n"
        yield from (f"![{name.removesuffix('.svg')}](plots/{name})\n" for name in plot_names)
    yield from _versions(questions)


def _asked(questions: Sequence[Measured]) -> Iterator[str]:
    yield "## What was asked\n"
    yield "| work | asked | reached | |"
    yield "|---|---|---|---|"
    for question in questions:
        for case in question.cases:
            for asked in case.asked:
                yield _asked_row(question, case, asked)
    yield ""


def _asked_row(question: Measured, case: CaseFigures, asked: Asked) -> str:
    work = f"{question.name}: {case.name}"
    sign = "≥" if case.better == "more" else "≤"
    if asked.over is None:
        wanted = f"{asked.peer} {sign} {asked.limit:.3g} {case.unit}"
        values = case.figures.get(asked.peer)
        reached = median(values.values()) if values else None
        shown = f"{number_text(reached)} {case.unit}" if reached is not None else ""
    else:
        wanted = f"{asked.peer} {sign} {asked.limit:.3g} x {asked.over}"
        ratio = case.ratio(asked.peer, asked.over)
        reached, shown = (ratio.median, str(ratio)) if ratio else (None, "")
    if reached is None:
        return f"| {work} | {wanted} | not measured | |"
    met = reached >= asked.limit if case.better == "more" else reached <= asked.limit
    marks = {case.marks.get(peer, "") for peer in (asked.peer, asked.over or asked.peer)}
    doubt = " ".join(sorted({mark for each in marks for mark in each}))
    return f"| {work} | {wanted} | {shown} {doubt} | {'met' if met else '**missed**'} |"


def _table(question: Measured) -> Iterator[str]:
    limits = [peer for peer in LIMITS if peer in question.peers]
    ours = [peer for peer in question.peers if peer.startswith("parlour")]
    others = [peer for peer in question.peers if peer not in (*limits, *ours)]
    peers = [*ours, *others, *limits]
    compared = "workerd" in peers and bool(ours)
    yield f"## {question.title}\n"
    heads = ["work", "", *(f"{peer} (limit)" if peer in limits else peer for peer in peers)]
    heads += ["parlour / workerd"] * compared + ["parlour / limit"] * bool(limits)
    yield f"| {' | '.join(heads)} |"
    yield "|---|---|" + "--:|" * (len(heads) - 2)
    for case in question.cases:
        cells = [case.name, case.unit, *(_cell(case, peer) for peer in peers)]
        if compared:
            cells.append(_ratio(case, "workerd"))
        if limits:
            cells.append(next((text for peer in limits if (text := _ratio(case, peer))), ""))
        yield f"| {' | '.join(cells)} |"
    yield ""
    marks = {mark for case in question.cases for each in case.marks.values() for mark in each}
    yield from (f"`{mark}` {note}.  " for mark, note in NOTES.items() if mark in marks)
    yield f"{_circumstances(question)}\n"
    problems = question.content.get("problems", [])
    yield from (f"Problem: {problem}\n" for problem in problems)


def _cell(case: CaseFigures, peer: str) -> str:
    values = list(case.figures.get(peer, {}).values())
    if not values:
        return ""
    parts = (number_text(median(values)), spread(values), case.marks.get(peer, ""))
    return " ".join(part for part in parts if part)


def _ratio(case: CaseFigures, over: str) -> str:
    ratio = case.ratio("parlour", over)
    return f"{ratio.median:.2f}" if ratio else ""


def _circumstances(question: Measured) -> str:
    content = question.content
    machine, settings = content["machine"], content.get("settings")
    how = f"{settings['rounds']} rounds of {settings['seconds']:g} s; " if settings else ""
    return (
        f"{how}{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; {content.get('measured_at', '')[:10]}"
    )


def _versions(questions: Sequence[Measured]) -> Iterator[str]:
    yield "## Versions\n"
    found: dict[str, str] = {}
    for question in questions:
        for versions in question.content.get("versions", {}).values():
            if isinstance(versions, dict):
                found.update(versions)
    yield ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def main() -> int:
    """Write, and say what was written: 1 when nothing was measured yet."""
    if not read_all(FOLDER):
        print(f"nothing is in {FOLDER}: run `make bench` first", file=sys.stderr)
        return 1
    for path in write(FOLDER, RESULTS, PLOTS):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
