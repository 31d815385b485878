"""How far a long command is, said now and then. The clock is passed in."""

from __future__ import annotations

import time
from collections.abc import Callable

SILENT_S = 2.0  # nothing is said of what takes no longer
EVERY_S = 2.0


class Ticker:
    """Says `text` of the count that it is given, at most every `EVERY_S` seconds."""

    def __init__(
        self,
        text: str,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`text` has a place for the count, as in "looked at {:,} rooms"."""
        self._text = text
        self._say = say
        self._clock = clock
        self._next_s = clock() + SILENT_S

    def __call__(self, count: int) -> None:
        """Note how far it is."""
        now_s = self._clock()
        if now_s >= self._next_s:
            self._next_s = now_s + EVERY_S
            self._say(self._text.format(count))
