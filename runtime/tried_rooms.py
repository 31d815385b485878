"""The rooms of the version in use that have started, and those that never have. Pure.

A version is given up by their numbers (`rollout.py`).
"""

from __future__ import annotations

from ..actors.messages import Report, RoomKey

TRIED_ROOMS_MAX = 1000  # of a version, that are told apart


class TriedRooms:
    """Of one node."""

    def __init__(self) -> None:
        self._started: set[RoomKey] = set()
        self._failed: set[RoomKey] = set()

    def __repr__(self) -> str:
        return f"<TriedRooms, {self.started} started, {self.failed} failed>"

    @property
    def started(self) -> int:
        """How many have started."""
        return len(self._started)

    @property
    def failed(self) -> int:
        """How many never have."""
        return len(self._failed)

    def begin_anew(self) -> None:
        """Another version is in use."""
        self._started.clear()
        self._failed.clear()

    def take(self, report: Report) -> None:
        """A room actor with this version has reported."""
        started = {room.key for room in report.rooms if room.state in ("live", "idle")}
        if len(self._started) < TRIED_ROOMS_MAX:
            self._started |= started
        failed = [key for key in report.failed if key not in self._started]
        self._failed.update(failed[: TRIED_ROOMS_MAX - len(self._failed)])
        self._failed -= started
