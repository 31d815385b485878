"""The table says what was asked, what was reached, and what to doubt."""

import pytest

from benchmarks import report
from benchmarks.harness import Case, Outcome, Question, Run, Settings

CASE = Case("50 clients", "echo", "echo", sockets=50, asked={("parlour", "workerd"): 2.0})


def run(per_second: float, *, saturated: bool = False, others_cpu: float = 0.0) -> Run:
    """One measurement."""
    return {
        "round": 1,
        "per_second": per_second,
        "p50_us": 100.0,
        "p99_us": 200.0,
        "max_us": 300.0,
        "cpu": 0.5,
        "saturated": saturated,
        "peer_cpu": 1.0,
        "others_cpu": others_cpu,
    }


def table(**runs: list[Run]) -> str:
    """The table of a question with one case."""
    question = Question("echo", "Echo", [CASE], ("bare", "workerd", "parlour"))
    settings = Settings(question.peers, rounds=3, seconds=1.0, warmup_s=0.0)
    measured = {(CASE.name, peer): list_of_runs for peer, list_of_runs in runs.items()}
    return report.table(Outcome(question, settings, runs=measured))


@pytest.mark.parametrize(("rate", "verdict"), [(2000.0, "2.00: met"), (1990.0, "1.99: missed")])
def test_what_was_asked_is_met_or_missed(rate: float, verdict: str) -> None:
    """The ratio is that of the medians, so one slow round does not decide."""
    text = table(workerd=[run(1000), run(1), run(1000)], parlour=[run(rate), run(rate), run(9000)])

    assert f"parlour at 2 x workerd or more; reached {verdict}\n" in text


def test_a_peer_that_was_not_measured_decides_nothing() -> None:
    """Without the other peer there is no ratio, and no verdict."""
    text = table(parlour=[run(2000)])

    assert "not measured" in text
    assert "workerd  " not in text.replace("x workerd", "")


def test_doubtful_figures_are_marked() -> None:
    """A saturated generator and a busy machine each have their sign and its meaning."""
    text = table(bare=[run(9000, saturated=True)], workerd=[run(1000, others_cpu=0.5)])

    assert "!  the load generator was saturated" in text
    assert "~  other processes used" in text
    assert "!" not in table(workerd=[run(1000)])


def test_a_verdict_on_a_busy_machine_says_so() -> None:
    """Somebody else's processes slow down one peer more than another."""
    text = table(workerd=[run(1000, others_cpu=0.5)], parlour=[run(3000)])

    assert "reached 3.00: met, but the machine was busy" in text
