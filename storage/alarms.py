"""The alarms of a space: names with the time when each is due. Pure.

Storage keeps them and tells which is due first; whoever runs the room fires them and says in a
note what else is to be known. One that is being run is kept under `running(name)` until it has
succeeded, so that it is not lost with its process. Alarms are no keys: no list shows them, and
they are written in the same flushes and transactions as keys are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, SupportsFloat

from .errors import DecodeError, InvalidArgument

UNNAMED = ""  # the one of set_alarm, get_alarm and delete_alarm
AT_MS_MAX = 253_402_300_799_999  # the end of the year 9999, where datetime ends
LIKELY_S_MIN, LIKELY_S_MAX = 252_460_800, 32_503_680_000  # 1978 to 2999: a thousandth is a time


class Alarm(NamedTuple):
    """When an alarm is due, in milliseconds since the epoch, and a note of its owner."""

    due_ms: int
    note: str = ""

    def packed(self) -> str:
        """Write it as it is stored."""
        return f"{self.due_ms} {self.note}"

    @classmethod
    def unpacked(cls, data: bytes) -> Alarm:
        """Read what `packed` wrote.

        Raises:
            DecodeError: If it is something else.
        """
        try:
            due, _, note = data.decode().partition(" ")
            return cls(int(due), note)
        except ValueError:
            raise DecodeError(f"an alarm reads {data[:80]!r}") from None


def running(name: str) -> str:
    """Under what an alarm is kept while it is being run; of no other alarm's names."""
    return f"running:{name}"


def next_due_ms(alarms: Iterable[Alarm]) -> int | None:
    """Tell when the first of them is due; None if there is none."""
    return min((alarm.due_ms for alarm in alarms), default=None)


def is_earlier(at_ms: int | None, before_ms: int | None) -> bool:
    """Whether a first alarm is due before what was the first one."""
    return at_ms is not None and (before_ms is None or at_ms < before_ms)


def time_ms(when: datetime | float, call: str) -> int:
    """Convert a datetime (without a time zone it is local time) or seconds since the epoch.

    Raises:
        InvalidArgument: If it is neither, or not after 1970 and before the year 10000; names
            the call.
    """
    seconds = _seconds(when)
    if seconds is None:
        given = f"{type(when).__name__} {when!r:.80}"
        problem = f"takes a datetime or seconds since the epoch, and was given {given}"
        advice = "; delete an alarm with a delete call" if when is None else ""
        raise InvalidArgument(call, problem + advice)
    if not 0 < seconds < AT_MS_MAX / 1000:
        problem = f"takes a time after 1970 and before 10000, not {_shown(when)}"
        looks_like_ms = 1000 * LIKELY_S_MIN < seconds < 1000 * LIKELY_S_MAX
        advice = "; did you pass milliseconds? It takes seconds" if looks_like_ms else ""
        raise InvalidArgument(call, problem + advice)
    return round(seconds * 1000)


def _seconds(when: object) -> float | None:
    """Seconds since the epoch, out of all range where a float does not reach; None if no time."""
    if isinstance(when, datetime):
        try:
            return when.timestamp()
        except (ValueError, OverflowError):  # years that local time does not reach
            return -1.0
    if not isinstance(when, SupportsFloat) or isinstance(when, bool):
        return None
    try:
        return float(when)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):  # an array, a signalling NaN
        return None


def _shown(when: object) -> str:
    # Python refuses to write very long ints in decimal, and nobody wants to read them.
    if isinstance(when, int) and abs(when) >= 10**20:
        return f"an int of {when.bit_length():,} bits"
    return f"{when!r:.80}"
