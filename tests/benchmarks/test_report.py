"""The table says what was asked, what was reached, and what to doubt."""

import pytest

from benchmarks import report
from benchmarks.harness import Case, Outcome, Question, Run, Settings

PAIR = ("parlour", "workerd")
CASE = Case("50 clients", "echo", "echo", 50, asked={PAIR: 2.0}, asked_p50={PAIR: 1.2})


def run(
    per_second: float, *, saturated: bool = False, others_cpu: float = 0.0, p50_us: float = 100.0
) -> Run:
    """One measurement, of the first round."""
    return {
        "round": 1,
        "per_second": per_second,
        "p50_us": p50_us,
        "p90_us": 150.0,
        "p99_us": 200.0,
        "max_us": 300.0,
        "cpu": 0.5,
        "cpu_kernel": 0.4,
        "saturated": saturated,
        "peer_cpu": 1.0,
        "others_cpu": others_cpu,
    }


def table(**runs: list[Run]) -> str:
    """The table of a question with one case."""
    question = Question("echo", "Echo", [CASE], ("bare", "workerd", "parlour"))
    settings = Settings(question.peers, rounds=3, seconds=1.0, warmup_s=0.0)
    measured: dict[tuple[str, str], list[Run]] = {
        (CASE.name, peer): [{**one, "round": number} for number, one in enumerate(its_runs)]
        for peer, its_runs in runs.items()
    }
    return report.table(Outcome(question, settings, runs=measured))


@pytest.mark.parametrize(("rate", "verdict"), [(2000.0, "2.00: met"), (1990.0, "1.99: missed")])
def test_what_was_asked_is_met_or_missed(rate: float, verdict: str) -> None:
    """The ratio is the median of the rounds' own, so one slow round does not decide."""
    text = table(workerd=[run(1000), run(1000), run(100)], parlour=[run(rate)] * 3)

    reached, _, met = verdict.partition(": ")
    most = rate / 100
    assert f"2 x workerd or more; reached {reached} ({reached} - {most:.2f}): {met}\n" in text


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


@pytest.mark.parametrize(("p50_us", "verdict"), [(119.0, "1.19: met"), (125.0, "1.25: missed")])
def test_a_latency_that_was_asked_is_met_from_below(p50_us: float, verdict: str) -> None:
    """Less is better."""
    text = table(workerd=[run(1000)], parlour=[run(1000, p50_us=p50_us)])

    assert f"p50 of parlour at 1.2 x that of workerd or less; reached {verdict}\n" in text
