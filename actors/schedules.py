"""What becomes of a room's alarms: when each is due, tried again, or dropped. Pure.

A room has one unnamed alarm and any number of named schedules, once or by cron expression. All of
them are alarms of its storage; what is known beside the due time is in their notes. The steps:

    begin    the alarm leaves its place (a cron schedule moves on to its next tick) and is kept
             as running, due again later: so it is not lost when its process dies.
    finish   it is forgotten.
    fail     it is put back, due after a pause, `RETRIES_MAX` times; then it is dropped. If
             the handler has set it anew, or deleted it, that stays as it is.
    recover  after its process died: it is put back, due when `begin` said. That is not counted.

Ticks of a cron schedule that were missed fire once, late. Times are in milliseconds since the
epoch; the clock and chance are given. Each step returns the changes to be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Self

from cronsim import CronSim, CronSimError

from ..storage.alarms import UNNAMED, Alarm, running, time_ms

RETRY_S_MIN = 2.0  # before the first retry; doubles from one to the next
RETRY_S_MAX = 1024.0
RETRY_JITTER = 0.25  # a pause is longer by up to this part
RETRIES_MAX = 6
SCHEDULES_MAX = 1000  # named ones of one room
NAME_BYTES_MAX = 256
CRON_CHARACTERS_MAX = 256

NAMED = "named:"  # before the names of schedules, where storage keeps them

Changes = Mapping[str, Alarm | None]


class InvalidSchedule(ValueError):
    """A schedule that cannot be kept; says what was given and what is allowed."""

    def __init__(self, name: object, problem: str) -> None:
        super().__init__(f"schedule {name!r:.100}: {problem}")
        self.name = name
        self.problem = problem


@dataclass(frozen=True)
class AlarmInfo:
    """What `on_alarm` is told.

    Attributes:
        name: Of the schedule; "" for the unnamed alarm.
        scheduled_at: When it was to fire, in UTC.
        retry_count: How often it has failed before, 0 to `RETRIES_MAX`.
    """

    name: str
    scheduled_at: datetime
    retry_count: int


@dataclass(frozen=True)
class Schedule:
    """A named schedule as it stands.

    Attributes:
        next_at: When it fires next, in UTC; a retry counts.
        cron: Its expression; None for one that fires once.
    """

    name: str
    next_at: datetime
    cron: str | None


class Entry(NamedTuple):
    """An alarm, with what its note says."""

    due_ms: int
    scheduled_ms: int  # when it was to fire
    retries: int = 0  # failures so far
    losses: int = 0  # processes that died on it so far
    cron: str = ""

    @classmethod
    def of(cls, alarm: Alarm) -> Self:
        """Read an alarm; one without a note was set by `set_alarm`."""
        if not alarm.note:
            return cls(alarm.due_ms, alarm.due_ms)
        scheduled, retries, losses, cron = alarm.note.split(" ", 3)
        return cls(alarm.due_ms, int(scheduled), int(retries), int(losses), cron)

    def alarm(self) -> Alarm:
        """Write it."""
        return Alarm(self.due_ms, f"{self.scheduled_ms} {self.retries} {self.losses} {self.cron}")


@dataclass(frozen=True)
class Run:
    """An alarm that is being run."""

    kept_as: str  # the storage's name of its alarm
    entry: Entry  # as it was
    left: Alarm | None  # what its place holds if nobody has touched it since

    @property
    def info(self) -> AlarmInfo:
        """What `on_alarm` is told."""
        entry = self.entry
        name = self.kept_as.removeprefix(NAMED)
        return AlarmInfo(name, moment(entry.scheduled_ms), entry.retries)


# Making them


def once(name: str, at: datetime | float) -> Alarm:
    """A schedule that fires once.

    Raises:
        ValueError: If `at` is not a time that an alarm can have.
    """
    at_ms = time_ms(at, f"schedule({name!r:.100})")
    return Entry(at_ms, at_ms).alarm()


def recurring(name: str, cron: str, now_ms: int) -> Alarm:
    """A schedule that fires whenever its cron expression says, in UTC.

    Raises:
        InvalidSchedule: If it is no cron expression, or one that never fires.
    """
    if not isinstance(cron, str) or len(cron) > CRON_CHARACTERS_MAX:
        raise InvalidSchedule(
            name, f"cron must be a str of at most {CRON_CHARACTERS_MAX} characters"
        )
    try:
        due_ms = next_tick_ms(cron, now_ms)
    except CronSimError as error:
        raise InvalidSchedule(
            name,
            f"{cron!r} is no cron expression ({error}); give minute, hour, day of the month, "
            "month and day of the week, as in '*/5 * * * *'",
        ) from None
    if due_ms is None:
        raise InvalidSchedule(name, f"the cron expression {cron!r} never fires")
    return Entry(due_ms, due_ms, cron=" ".join(cron.split())).alarm()


def next_tick_ms(cron: str, after_ms: int) -> int | None:
    """The first tick of a cron expression after a moment; None if there is none in 50 years."""
    tick = next(CronSim(cron, moment(after_ms)), None)
    return None if tick is None else round(tick.timestamp() * 1000)


def kept_as(name: str) -> str:
    """Under what name the storage keeps a schedule.

    Raises:
        InvalidSchedule: If it cannot be one's name.
    """
    try:
        size_bytes = len(name.encode())
    except (AttributeError, UnicodeEncodeError):
        raise InvalidSchedule(name, "its name must be a str of whole characters") from None
    if not 0 < size_bytes <= NAME_BYTES_MAX:
        raise InvalidSchedule(
            name,
            f"its name has {size_bytes} UTF-8 bytes, it must have 1 to {NAME_BYTES_MAX}; "
            "the unnamed alarm is set by storage.set_alarm",
        )
    return NAMED + name


def check_room(name: str, alarms: Mapping[str, Alarm]) -> None:
    """Refuse one more schedule than a room may have.

    Raises:
        InvalidSchedule: If `name` would be that one.
    """
    count = sum(kept.startswith(NAMED) for kept in alarms)
    if count >= SCHEDULES_MAX and NAMED + name not in alarms:
        raise InvalidSchedule(
            name, f"the room has {count} schedules, the most is {SCHEDULES_MAX}; unschedule others"
        )


def schedules(alarms: Mapping[str, Alarm]) -> dict[str, Schedule]:
    """The named schedules, the next one first; those that are being run are not among them."""
    found = []
    for kept, alarm in alarms.items():
        if kept.startswith(NAMED):
            cron = Entry.of(alarm).cron or None
            found.append(Schedule(kept.removeprefix(NAMED), moment(alarm.due_ms), cron))
    return {one.name: one for one in sorted(found, key=lambda one: (one.next_at, one.name))}


# Running them


def due(alarms: Mapping[str, Alarm], now_ms: int) -> str | None:
    """The alarm to be run now, the longest due first; None if none is.

    A set time is rounded to milliseconds, so an alarm counts as due in the one after its own:
    never early.
    """
    if not alarms:
        return None
    first = min(alarms, key=lambda kept: alarms[kept].due_ms)
    return first if alarms[first].due_ms < now_ms else None


def begin(
    alarms: Mapping[str, Alarm], first: str, now_ms: int, chance: float
) -> tuple[Run, Changes]:
    """Begin to run the alarm `first`. `chance` is from 0 to 1, here and below."""
    entry = Entry.of(alarms[first])
    place = first.removeprefix(running(UNNAMED))
    kept = entry._replace(
        due_ms=now_ms + pause_ms(entry.losses, chance), losses=entry.losses + 1
    ).alarm()
    changes: dict[str, Alarm | None] = {running(place): kept}
    left = None
    if first == place:
        left = changes[place] = _next_tick(entry, now_ms)
    return Run(place, entry, left), changes


def finish(run: Run, alarms: Mapping[str, Alarm]) -> Changes:
    """It has succeeded."""
    return _forget(run, alarms)


def fail(run: Run, alarms: Mapping[str, Alarm], now_ms: int, chance: float) -> tuple[str, Changes]:
    """It has failed; says also what follows, for the log."""
    changes = _forget(run, alarms)
    entry, left = run.entry, run.left
    if not changes:
        return "it was deleted meanwhile", changes
    if alarms.get(run.kept_as) != left:
        return "it was set anew meanwhile", changes
    if entry.retries >= RETRIES_MAX:
        return f"it is dropped after {RETRIES_MAX} retries", changes
    pause = pause_ms(entry.retries, chance)
    if left is not None and left.due_ms <= now_ms + pause:
        return "its next tick comes before a retry would", changes
    retry = entry._replace(due_ms=now_ms + pause, retries=entry.retries + 1, losses=0)
    return f"it is tried again in {pause / 1000:.1f} s", {**changes, run.kept_as: retry.alarm()}


def recover(alarms: Mapping[str, Alarm]) -> Changes:
    """What to do about alarms whose process died, before anything else is run.

    One that its handler had set anew before is not put back, but run from where it is kept; what
    it was set to comes after it.
    """
    changes: dict[str, Alarm | None] = {}
    for kept, alarm in alarms.items():
        place = kept.removeprefix(running(UNNAMED))
        if place == kept:
            continue
        entry, there = Entry.of(alarm), alarms.get(place)
        if there is None:
            changes |= {kept: None, place: alarm}
        elif entry.cron and Entry.of(there).cron == entry.cron:
            changes[kept] = None
            if alarm.due_ms < there.due_ms:
                changes[place] = alarm
        else:
            set_anew = Entry.of(there)
            after_ms = max(set_anew.due_ms, alarm.due_ms + 1)
            changes[place] = set_anew._replace(due_ms=after_ms).alarm()
    return changes


def pause_ms(failures: int, chance: float) -> int:
    """How long to wait after so many failures and one more."""
    pause_s = min(RETRY_S_MAX, RETRY_S_MIN * 2.0 ** min(failures, 30))
    return round(1000 * pause_s * (1 + RETRY_JITTER * chance))


def moment(at_ms: int) -> datetime:
    """Milliseconds since the epoch as a datetime in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _next_tick(entry: Entry, now_ms: int) -> Alarm | None:
    if not entry.cron:
        return None
    due_ms = next_tick_ms(entry.cron, now_ms)
    return None if due_ms is None else Entry(due_ms, due_ms, cron=entry.cron).alarm()


def _forget(run: Run, alarms: Mapping[str, Alarm]) -> dict[str, Alarm | None]:
    kept = running(run.kept_as)
    return {kept: None} if kept in alarms else {}
