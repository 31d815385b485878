"""Alarms as storage keeps them, for those who look at a room from outside. Pure.

A room trusts the alarms that it finds in its storage: what comes from a file is checked here
before it is put there.
"""

from __future__ import annotations

from typing import NamedTuple

from cronsim import CronSimError

from ..storage.alarms import AT_MS_MAX, UNNAMED, Alarm, running
from .schedules import NAMED, Entry, InvalidSchedule, kept_as, recurring


class StoredSchedule(NamedTuple):
    """An alarm, told as its room knows it.

    Attributes:
        name: Of the schedule; "" for the unnamed alarm.
        cron: Its expression; "" for one that fires once.
        is_running: It was begun, and is due again if its process dies.
    """

    name: str
    due_ms: int
    cron: str
    retries: int
    is_running: bool


def stored_schedule(kept: str, alarm: Alarm) -> StoredSchedule:
    """Tell what is kept under a name.

    Raises:
        ValueError: If no room has written it.
    """
    place = kept.removeprefix(running(UNNAMED))
    entry = Entry.of(alarm)
    return StoredSchedule(
        place.removeprefix(NAMED), alarm.due_ms, entry.cron, entry.retries, place != kept
    )


def check_stored(kept: str, alarm: Alarm) -> None:
    """Refuse an alarm that a room could not run.

    Raises:
        InvalidSchedule: Says what is wrong with it.
    """
    place = kept.removeprefix(running(UNNAMED))
    if place != UNNAMED and not place.startswith(NAMED):
        raise InvalidSchedule(kept, f"no room keeps an alarm under {place!r:.100}")
    name = place.removeprefix(NAMED)
    if place != UNNAMED:
        kept_as(name)
    try:
        entry = Entry.of(alarm)
        if entry.cron:
            recurring(name, entry.cron, alarm.due_ms)
    except InvalidSchedule:
        raise
    except (ValueError, OverflowError, CronSimError):
        raise InvalidSchedule(kept, f"its note reads {alarm.note!r:.100}") from None
    counts = (entry.retries, entry.losses)
    if not 0 < entry.scheduled_ms <= AT_MS_MAX or not all(0 <= one <= 2**31 for one in counts):
        raise InvalidSchedule(kept, f"its note reads {alarm.note!r:.100}")
