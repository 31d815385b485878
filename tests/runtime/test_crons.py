"""When the project's crons are due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.actors.schedules import InvalidSchedule
from parlour.runtime.crons import CRONS_MAX, Tick, check, check_hook, due, looked

CRONS = {"hourly": "0 * * * *", "often": "*/5 * * * *"}


def at(hour: int, minute: int, day: int = 1) -> int:
    """Milliseconds since the epoch."""
    return round(datetime(2030, 1, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def test_a_new_cron_begins_with_its_next_tick() -> None:
    """A deploy runs nothing by itself."""
    assert due(CRONS, {}, at(12, 0)) == []
    assert looked(CRONS, {}, [], at(12, 1)) == {"hourly": at(12, 1), "often": at(12, 1)}


@pytest.mark.parity("onCron")
@pytest.mark.parity("onCron", "crons")
def test_a_cron_is_due_at_its_tick_and_once() -> None:
    """Not a moment before, and not again when it was run."""
    last = {"hourly": at(12, 1), "often": at(12, 1)}
    assert due(CRONS, last, at(12, 5) - 1) == []
    ticks = due(CRONS, last, at(12, 5))
    assert ticks == [Tick("often", at(12, 5))]
    last = looked(CRONS, last, ticks, at(12, 5))
    assert last == {"hourly": at(12, 1), "often": at(12, 5)}
    assert due(CRONS, last, at(12, 6)) == []


def test_what_was_missed_is_made_up_for_once() -> None:
    """However long nothing ran."""
    last = {"hourly": at(12, 1)}
    ticks = due(CRONS, last, at(3, 30, day=5))
    assert ticks == [Tick("hourly", at(13, 0))]
    last = looked({"hourly": CRONS["hourly"]}, last, ticks, at(3, 30, day=5))
    assert due(CRONS, last, at(3, 59, day=5)) == []


def test_a_cron_that_is_no_more_is_forgotten() -> None:
    """So one of that name that comes later begins anew."""
    assert looked({"hourly": "0 * * * *"}, {"gone": 1, "hourly": 2}, [], 3) == {"hourly": 2}


@pytest.mark.parametrize(
    "crons", [{"a": "often"}, {"a": "0 0 30 2 *"}, {str(n): "* * * * *" for n in range(101)}]
)
def test_what_is_no_cron_is_refused(crons: dict[str, str]) -> None:
    """Before it is deployed."""
    assert CRONS_MAX == 100
    with pytest.raises(InvalidSchedule):
        check(crons, at(12, 0))
    check(CRONS, at(12, 0))


def test_crons_want_a_hook_of_main() -> None:
    """Without one nothing would ever happen."""
    plain = options_of(Room)
    with_hook = options_of(type("Main", (Room,), {"on_cron": staticmethod(lambda *_: None)}))
    check_hook(CRONS, {"main": with_hook})
    check_hook({}, {"chat": plain})
    for parties in ({"main": plain}, {"chat": with_hook}):
        with pytest.raises(InvalidSchedule, match="'main' has no on_cron; add one"):
            check_hook(CRONS, parties)
