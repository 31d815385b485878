"""How rooms move to another version, and when a version is given up. Pure.

A new version is on probation for `PROBATION_S`: if rooms fail to start with it, it is halted and
the one before is used again. Rooms move as they hibernate or, where a time is given, evenly over
that time, those that have been idle longest first, and each only when a started process waits for
it: where these come slowly, it takes longer than the time given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PROBATION_S = 60.0
FAILED_ROOMS_MIN = 3  # fewer may be the fault of what those rooms have stored
FAILED_SHARE_MAX = 0.5  # of the rooms that tried
AFTER_ROLLBACK_S = 10.0  # rooms may still be failing with the version that was left
MOVING_MAX = 16  # rooms of one node that are on their way at once
PLACE_PATIENCE_S = 30.0  # past the time, for a started process; then some go without one
WITHOUT_A_PLACE_MAX = 2  # that do, at once


@dataclass(frozen=True)
class Rollout:
    """How a version came into use; kept, so that any process that is restarted goes on with it.

    Attributes:
        began_at_s: When, in seconds since the epoch.
        within_s: See `Schedule`.
        previous: The version to go back to if rooms fail to start with this one; 0: none.
        patient_s: How long gateways let events wait for rooms that cannot start.
    """

    version: int = 0
    began_at_s: float = 0.0
    within_s: float | None = None
    previous: int = 0
    patient_s: float = 0.0

    @classmethod
    def of_new(cls, version: int, previous: int, within_s: float | None, now_s: float) -> Rollout:
        """A new version, on probation where there is one to go back to."""
        return cls(version, now_s, within_s, previous, PROBATION_S if previous else 0.0)

    def back_to(self, version: int, within_s: float | None, now_s: float) -> Rollout:
        """An earlier version again, which is on no probation."""
        patient_s = AFTER_ROLLBACK_S if self.is_on_probation(now_s) else 0.0
        return Rollout(version, now_s, within_s, patient_s=patient_s)

    def left_s(self, now_s: float) -> float | None:
        """What is left of the time for rooms to move; None if they move as they hibernate."""
        if self.within_s is None or not math.isfinite(self.within_s):
            return self.within_s
        return max(0.0, self.within_s - max(0.0, now_s - self.began_at_s))

    def is_on_probation(self, now_s: float) -> bool:
        """Whether it may still be given up by itself."""
        return bool(self.previous) and now_s < self.began_at_s + PROBATION_S

    def is_patient(self, now_s: float) -> bool:
        """Whether gateways let events wait for rooms that cannot start."""
        return now_s < self.began_at_s + self.patient_s


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

    def is_long_over(self, moved_s: float, now_s: float) -> bool:
        """Whether it is, and no room was told to move for long; the last was at `moved_s`."""
        if self.within_s is None:
            return False
        since_s = max(moved_s, self.started_s + self.within_s)
        return now_s >= since_s + PLACE_PATIENCE_S

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
