"""Peers are compared round by round."""

import pytest

from benchmarks.ratios import Ratio, ratio_of, spread


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    """A machine that is half as fast in one round changes no ratio."""
    ratio = ratio_of({1: 300.0, 2: 150.0, 3: 310.0}, {1: 100.0, 2: 50.0, 3: 100.0})

    assert ratio == Ratio(median=3.0, least=3.0, most=3.1, of_medians=3.0)


def test_only_rounds_of_both_are_compared() -> None:
    """A peer that failed in a round has no figure to compare with."""
    ratio = ratio_of({1: 300.0, 2: 900.0}, {1: 100.0, 3: 900.0})

    assert ratio is not None
    assert (ratio.median, ratio.most) == (3.0, 3.0)


@pytest.mark.parametrize("theirs", [{}, {2: 1.0}, {1: 0.0}])
def test_without_a_common_round_there_is_no_ratio(theirs: dict[int, float]) -> None:
    """Nor with one in which the other did nothing."""
    assert ratio_of({1: 1.0}, theirs) is None


def test_ratios_that_disagree_are_both_told() -> None:
    """Where rounds were so different that the medians say something else."""
    alike = ratio_of({1: 300.0, 2: 150.0}, {1: 100.0, 2: 50.0})
    apart = ratio_of({1: 100.0, 2: 400.0, 3: 400.0}, {1: 100.0, 2: 100.0, 3: 800.0})

    assert str(alike) == "3.00"
    assert str(apart) == "1.00 (0.50 - 4.00), of the medians 4.00"


def test_the_spread_is_half_the_distance_of_the_median() -> None:
    """One run alone has none."""
    assert spread([90.0, 100.0, 120.0]) == "±15%"
    assert spread([100.0]) == ""
