"""The alarms of a space: names with the time when each is due. Pure.

Storage keeps them and tells which is due first; whoever runs the room fires them and says in a
note what else is to be known. One that is being run is kept under `running(name)` until it has
succeeded, so that it is not lost with its process. Alarms are no keys: no list shows them, and
they are written in the same flushes and transactions as keys are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, SupportsFloat

from .errors import DecodeError, InvalidArgument

UNNAMED = ""  # the one of set_alarm, get_alarm and delete_alarm
AT_MS_MAX = 253_402_300_799_999  # the end of the year 9999, where datetime ends


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
    if isinstance(when, datetime):
        try:
            seconds = when.timestamp()
        except (ValueError, OverflowError):  # years that local time does not reach
            seconds = -1.0
    elif isinstance(when, SupportsFloat) and not isinstance(when, bool):
        seconds = when
    else:
        given = f"{type(when).__name__} {when!r:.80}"
        problem = f"takes a datetime or seconds since the epoch, and was given {given}"
        advice = "; delete an alarm with a delete call" if when is None else ""
        raise InvalidArgument(call, problem + advice)
    if not 0 < seconds < AT_MS_MAX / 1000:
        raise InvalidArgument(call, f"takes a time after 1970 and before 10000, not {when!r}")
    return round(seconds * 1000)
