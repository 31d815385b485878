"""A failure that goes on is logged once a period, not once an attempt. The clock is passed in.

What is retried ten times a second would otherwise fill a disk while its server is away, and
hide what else is logged.
"""

from __future__ import annotations

import time
from collections.abc import Callable

REPEAT_S = 30.0  # between two lines about the same failure


class Repeats:
    """Tells whether a failure is to be logged now: use one for each thing that is retried."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quiet_until_s: float | None = None
        self._held_back = 0

    def __repr__(self) -> str:
        return f"<Repeats {self._held_back} held back>"

    def failed(self) -> str | None:
        """Note a failure. None if it was logged lately; else what to add to the line about it."""
        now_s = self._clock()
        if self._quiet_until_s is not None and now_s < self._quiet_until_s:
            self._held_back += 1
            return None
        added = f" ({self._held_back:,} times more since the last line)" if self._held_back else ""
        self._quiet_until_s, self._held_back = now_s + REPEAT_S, 0
        return added

    def succeeded(self) -> None:
        """Note that it is over: the next failure is another one."""
        self._quiet_until_s, self._held_back = None, 0
