"""How one peer compares with another: round by round, since rounds differ more than peers do.

A ratio is taken within each round, where both ran minutes apart on the same machine; what counts
is the median of these. The ratio of the medians is shown beside it where the two disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

DISAGREE = 0.05  # from here on, of the ratio, both kinds are shown


@dataclass(frozen=True)
class Ratio:
    """The median over the rounds, the least and the most, and the ratio of the medians."""

    median: float
    least: float
    most: float
    of_medians: float

    def __str__(self) -> str:
        text = f"{self.median:.2f}"
        least, most = f"{self.least:.2f}", f"{self.most:.2f}"
        if least != most:
            text += f" ({least} - {most})"
        if abs(self.of_medians / self.median - 1) > DISAGREE:
            text += f", of the medians {self.of_medians:.2f}"
        return text


def ratio_of(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Ratio | None:
    """Our figures over theirs, each by the number of its round; None without a common round."""
    rounds = ours.keys() & theirs.keys()
    ratios = [ours[number] / theirs[number] for number in rounds if theirs[number]]
    if not ratios or not median(ratios):
        return None
    of_medians = median(ours.values()) / median(theirs.values())
    return Ratio(median(ratios), min(ratios), max(ratios), of_medians)


def spread(values: Sequence[float]) -> str:
    """How far the values are from the middle between their ends, of the median: `±4%`."""
    if len(values) < 2 or not median(values):
        return ""
    return f"±{(max(values) - min(values)) / 2 / median(values):.0%}"
