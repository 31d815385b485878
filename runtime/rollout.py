"""How rooms move to another version, and when a version is given up. Pure.

A new version is on probation for `PROBATION_S`: if rooms fail to start with it, it is halted and
the one before is used again. Rooms move as they hibernate or, where a time is given, evenly over
that time, those that have been idle longest first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PROBATION_S = 60.0
FAILED_ROOMS_MIN = 3  # fewer may be the fault of what those rooms have stored
FAILED_SHARE_MAX = 0.5  # of the rooms that tried
MOVING_MAX = 16  # rooms of one node that are on their way at once


@dataclass(frozen=True)
class Schedule:
    """By when the rooms of a node have to have left older versions.

    Attributes:
        rooms: How many there were at the start.
        within_s: How long it may take; None, or without end, if they only move as they
            hibernate.
    """

    rooms: int
    started_s: float
    within_s: float | None

    def is_over(self, now_s: float) -> bool:
        """Whether the time is over by which all have to have moved."""
        return self.within_s is not None and now_s >= self.started_s + self.within_s

    def moves_due(self, left: int, moving: int, now_s: float) -> int:
        """How many rooms to send away now, of `left` that are on older versions.

        `moving` of them have been told already. All that are left when the time is over.
        """
        if self.within_s is None or not math.isfinite(self.within_s):
            return 0
        left_s = self.started_s + self.within_s - now_s
        if self.is_over(now_s):
            return left - moving
        may_stay = math.floor(self.rooms * left_s / self.within_s)
        return max(0, min(left - moving - may_stay, MOVING_MAX - moving))


def has_failed(started_rooms: int, failed_rooms: int) -> bool:
    """Whether a version on probation is given up, by the rooms that tried to start with it."""
    tried = started_rooms + failed_rooms
    return failed_rooms >= FAILED_ROOMS_MIN and failed_rooms >= tried * FAILED_SHARE_MAX
