"""RESULTS.md and its plots come from the files of the questions, those that are there."""

import json
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import bench_density, bench_echo, bench_http, bench_wake, report
from benchmarks.charts import bar_chart, lines_chart
from benchmarks.harness import Outcome, Question, Run, Settings
from benchmarks.results import write


def run(number: int, per_second: float, *, saturated: bool = False) -> Run:
    """One measurement."""
    return {
        "round": number,
        "per_second": per_second,
        "p50_us": 1e6 / per_second,
        "p90_us": 2e6 / per_second,
        "p99_us": 3e6 / per_second,
        "max_us": 4e6 / per_second,
        "cpu": 0.5,
        "cpu_kernel": 0.4,
        "saturated": saturated,
        "peer_cpu": 1.0,
        "others_cpu": 0.0,
    }


def measured(folder: Path, question: Question, **rates: float) -> None:
    """Write the file of a question in which each peer had such a rate, a little more each round."""
    outcome = Outcome(question, Settings(question.peers, 3, 1.0, 0.0))
    for case in question.cases:
        for peer, rate in rates.items():
            outcome.runs[case.name, peer] = [run(n, rate * (1 + n / 100)) for n in (1, 2, 3)]
    outcome.versions = {peer: {peer: "1.0"} for peer in rates}
    report.write_json(outcome, folder)


def woken(folder: Path) -> None:
    """Write the file of the question how long waking takes."""
    took = bench_wake.Run(1, 500, 2000.0, 4.0, 9.0, 9.0, 0.0)
    runs = {"workerd": [asdict(took)], "parlour": [{**asdict(took), "total_ms": 900.0}]}
    cases = [{**asdict(case), "runs": runs} for case in bench_wake.CASES]
    content = {**report.circumstances(), "rooms": 500, "cases": cases, "versions": {}}
    (folder / "wake.json").write_text(json.dumps(content))


def dense(folder: Path) -> None:
    """Write the file of the question what rooms weigh."""
    outcome = bench_density.Outcome(1000)
    outcome.figures = [
        bench_density.Figure(bench_density.LIVE_ROOM, peer, size, "kB")
        for peer, size in (("parlour", 60.0), ("workerd", 300.0))
    ]
    outcome.growth = {"live-parlour": [(500, 30.0), (1000, 60.0)], "live-workerd": [(1000, 300.0)]}
    content = {
        **report.circumstances(),
        "rooms": 1000,
        "figures": [asdict(figure) for figure in outcome.figures],
        "growth": outcome.growth,
        "asked_of_workerd": bench_density.ASKED_OF_WORKERD,
        "versions": {},
    }
    (folder / "density.json").write_text(json.dumps(content))


def test_the_page_tells_what_was_asked_and_what_was_reached(tmp_path: Path) -> None:
    """A line for each, with the ratio of the rounds; what nobody measured is said to be missing."""
    measured(tmp_path, bench_echo.QUESTION, bare=9000.0, workerd=1000.0, parlour=4000.0)

    [page, *_] = write(tmp_path, tmp_path / "RESULTS.md", tmp_path / "plots")

    text = page.read_text()
    assert "| echo: 50 clients, 64 B | parlour ≥ 3 x workerd | 4.00" in text
    assert "| echo: 50 clients, 64 B | parlour ≥ 0.6 x bare | 0.44  | **missed** |" in text
    assert "| echo: 50 clients, 64 B | parlour ≥ 5 x fastapi | not measured | |" in text
    assert "| 10 clients, 64 B | /s | 4,080 ±1% | 1,020 ±1% | 9,180 ±1% | 4.00 | 0.44 |" in text
    assert "bare 1.0, parlour 1.0, workerd 1.0" in text


def test_less_is_better_where_time_or_memory_is_asked(tmp_path: Path) -> None:
    """The verdict looks at the right side of the limit."""
    woken(tmp_path)
    dense(tmp_path)

    [page, *_] = write(tmp_path, tmp_path / "RESULTS.md", tmp_path / "plots")

    text = page.read_text()
    assert "| parlour ≤ 0.5 x workerd | 0.45  | met |" in text
    assert "| parlour ≤ 0.333 x workerd | 0.20  | met |" in text


def test_a_question_that_is_asked_again_leaves_the_others(tmp_path: Path) -> None:
    """Its part of the page is new, the other's as it was."""
    results, plots = tmp_path / "RESULTS.md", tmp_path / "plots"
    measured(tmp_path, bench_echo.QUESTION, workerd=1000.0, parlour=4000.0)
    measured(tmp_path, bench_http.QUESTION, workerd=1000.0, parlour=1000.0)
    write(tmp_path, results, plots)
    assert "| parlour ≥ 1.5 x workerd | 1.00  | **missed** |" in results.read_text()

    measured(tmp_path, bench_http.QUESTION, workerd=1000.0, parlour=2000.0)
    write(tmp_path, results, plots)

    assert "| parlour ≥ 1.5 x workerd | 2.00  | met |" in results.read_text()
    assert "| echo: 50 clients, 64 B | parlour ≥ 3 x workerd | 4.00" in results.read_text()


def test_files_of_an_earlier_form_count_as_not_there(tmp_path: Path) -> None:
    """They are left alone, and the rest is shown."""
    measured(tmp_path, bench_http.QUESTION, workerd=1000.0, parlour=1000.0)
    (tmp_path / "echo.json").write_text(json.dumps({"question": "Echo", "cases": [{}]}))

    [page, *plots] = write(tmp_path, tmp_path / "RESULTS.md", tmp_path / "plots")

    assert "Echo" not in page.read_text()
    assert "HTTP requests" in page.read_text()
    assert plots == []


def test_every_plot_is_drawn_and_shown(tmp_path: Path) -> None:
    """Each is well-formed, has a line or a bar for each peer, and is on the page."""
    measured(tmp_path, bench_echo.QUESTION, bare=9000.0, workerd=1000.0, parlour=4000.0)
    woken(tmp_path)
    dense(tmp_path)

    [page, *plots] = write(tmp_path, tmp_path / "RESULTS.md", tmp_path / "plots")

    assert [path.stem for path in plots] == [
        "echo-by-connections",
        "echo-by-size",
        "echo-latency",
        "waking",
        "memory-by-rooms",
    ]
    for path in plots:
        root = ElementTree.fromstring(path.read_text())
        shapes = [element.tag.rpartition("}")[2] for element in root]
        drawn = {"circle": 0, "rect": 1, "path": 8}  # besides the page, its axes, its legend
        assert any(shapes.count(shape) > least for shape, least in drawn.items()), path.stem
        words = " ".join(element.text or "" for element in root)
        assert "parlour" in words
        assert "workerd" in words
        assert f"plots/{path.name}" in page.read_text()


def test_a_value_that_is_missing_leaves_a_gap() -> None:
    """A peer that could not do one of the cases is drawn for the others."""
    chart = lines_chart("t", "x", "y", ["1", "2", "3"], {"a": [1.0, None, 3.0], "b": [None] * 3})

    assert chart.count("<circle") == 2


@pytest.mark.parametrize("value", [0.5, 1.0, 7.0, 10.0, 999.0])
def test_what_is_drawn_stays_on_the_page(value: float) -> None:
    """By powers of ten, too, where the least and the greatest are the same."""
    for chart in (
        lines_chart("t", "x", "y", ["1"], {"a": [value]}, log=True),
        lines_chart("t", "x", "y", ["1"], {"a": [value]}),
        bar_chart("t", "y", ["1"], {"a": [value]}),
    ):
        for element in ElementTree.fromstring(chart):
            for place in ("y", "cy"):
                assert 0 <= float(element.get(place, 0)) <= 400
