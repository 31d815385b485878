"""Alarms as storage keeps them: told to operators, and checked when they come from a file."""

from __future__ import annotations

import pytest
from parlour.actors import schedules
from parlour.actors.schedules import NAMED, InvalidSchedule
from parlour.actors.stored_schedules import StoredSchedule, check_stored, stored_schedule
from parlour.storage.alarms import AT_MS_MAX, UNNAMED, Alarm, running

NOW_MS = 1_900_000_000_000
DAILY = schedules.recurring("daily", "0 4 * * *", NOW_MS)
ONCE = schedules.once("once", NOW_MS / 1000)


def begun(kept: str, alarm: Alarm) -> dict[str, Alarm]:
    """What a room keeps while it runs an alarm, and after that has failed once."""
    kept_alarms = {kept: alarm}
    run, changes = schedules.begin(kept_alarms, kept, alarm.due_ms + 1, 0.5)
    kept_alarms |= {name: one for name, one in changes.items() if one is not None}
    _, failed = schedules.fail(run, kept_alarms, alarm.due_ms + 1, 0.5)
    return kept_alarms | {f"{name}": one for name, one in failed.items() if one is not None}


@pytest.mark.parametrize(
    ("kept", "alarm"),
    [(UNNAMED, Alarm(NOW_MS)), (NAMED + "daily", DAILY), (NAMED + "once", ONCE)],
)
def test_what_rooms_write_is_sound(kept: str, alarm: Alarm) -> None:
    """Waiting, being run, and waiting for a retry."""
    written = begun(kept, alarm)
    assert running(kept) in written
    for name, one in written.items():
        check_stored(name, one)


def test_a_schedule_is_told_as_its_room_knows_it() -> None:
    """By its own name, with its cron expression."""
    daily = StoredSchedule("daily", DAILY.due_ms, "0 4 * * *", 0, is_running=False)
    assert stored_schedule(NAMED + "daily", DAILY) == daily
    run = stored_schedule(running(NAMED + "daily"), DAILY)
    assert run == daily._replace(is_running=True)
    assert stored_schedule(UNNAMED, Alarm(5)) == StoredSchedule("", 5, "", 0, is_running=False)


@pytest.mark.parametrize(
    ("kept", "alarm"),
    [
        ("daily", DAILY),
        (NAMED, DAILY),
        (NAMED + "x" * 257, DAILY),
        ("running:running:", Alarm(5)),
        (UNNAMED, Alarm(5, "5 0 0")),
        (UNNAMED, Alarm(5, "x 0 0 ")),
        (UNNAMED, Alarm(5, "5 -1 0 ")),
        (UNNAMED, Alarm(5, f"5 0 {2**40} ")),
        (UNNAMED, Alarm(5, f"{AT_MS_MAX + 1} 0 0 ")),
        (NAMED + "a", Alarm(5, "5 0 0 every day")),
        (NAMED + "a", Alarm(5, "5 0 0 0 0 30 2 *")),
        (NAMED + "a", Alarm(AT_MS_MAX, f"{AT_MS_MAX} 0 0 0 0 1 1 *")),
        (NAMED + "a", Alarm(5, "5 0 0 " + "* " * 200)),
    ],
)
def test_an_alarm_that_no_room_has_written_is_refused(kept: str, alarm: Alarm) -> None:
    """A room that finds it in its storage could not wake."""
    with pytest.raises(InvalidSchedule):
        check_stored(kept, alarm)
