"""What becomes of alarms, step by step, with a clock that the tests turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.actors import schedules
from parlour.actors.schedules import (
    NAME_BYTES_MAX,
    RETRIES_MAX,
    RETRY_S_MAX,
    SCHEDULES_MAX,
    AlarmInfo,
    Changes,
    Entry,
    InvalidSchedule,
    Run,
    Schedule,
    pause_ms,
)
from parlour.storage.alarms import UNNAMED, Alarm, running

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1000)
MINUTE_MS = 60_000


class Book:
    """The alarms of a room, and the time, which only the test moves."""

    def __init__(self, **alarms: Alarm) -> None:
        self.now_ms = NOON_MS
        self.alarms = {schedules.kept_as(name): alarm for name, alarm in alarms.items()}

    def apply(self, changes: Changes) -> None:
        for name, alarm in changes.items():
            if alarm is None:
                self.alarms.pop(name, None)
            else:
                self.alarms[name] = alarm

    def begin(self, chance: float = 0.0) -> Run:
        first = schedules.due(self.alarms, self.now_ms)
        assert first is not None
        run, changes = schedules.begin(self.alarms, first, self.now_ms, chance)
        self.apply(changes)
        return run

    def finish(self, run: Run) -> None:
        self.apply(schedules.finish(run, self.alarms))

    def fail(self, run: Run, chance: float = 0.0) -> str:
        what, changes = schedules.fail(run, self.alarms, self.now_ms, chance)
        self.apply(changes)
        return what

    def recover(self) -> None:
        self.apply(schedules.recover(self.alarms))

    def turn_to_next(self) -> None:
        self.now_ms = min(alarm.due_ms for alarm in self.alarms.values()) + 1


def unnamed(due_ms: int = NOON_MS - 1) -> Book:
    book = Book()
    book.alarms[UNNAMED] = Alarm(due_ms)
    return book


# Once


def test_an_alarm_is_due_after_its_time_and_not_before() -> None:
    """A set time is rounded to milliseconds, so it is due in the next one."""
    alarms = {UNNAMED: Alarm(NOON_MS)}
    assert schedules.due(alarms, NOON_MS - 1) is None
    assert schedules.due(alarms, NOON_MS) is None
    assert schedules.due(alarms, NOON_MS + 1) == UNNAMED
    assert schedules.due({}, NOON_MS) is None


def test_the_longest_due_is_first() -> None:
    """Whatever their names."""
    alarms = {"a": Alarm(NOON_MS - 1), "b": Alarm(NOON_MS - 3), "c": Alarm(NOON_MS - 2)}
    assert schedules.due(alarms, NOON_MS) == "b"


def test_the_handler_is_told_what_was_scheduled_when() -> None:
    """In UTC; the unnamed alarm has an empty name."""
    assert unnamed().begin().info == AlarmInfo("", NOON - timedelta(milliseconds=1), 0)
    east = timezone(timedelta(hours=5))
    book = Book(poll=schedules.once("poll", (NOON - timedelta(hours=1)).astimezone(east)))
    assert book.begin().info == AlarmInfo("poll", NOON - timedelta(hours=1), 0)


def test_an_alarm_is_gone_when_it_has_succeeded() -> None:
    """While it runs, only what must survive its process is there."""
    book = unnamed()
    run = book.begin()
    assert list(book.alarms) == [running(UNNAMED)]
    assert schedules.due(book.alarms, book.now_ms) is None
    book.finish(run)
    assert book.alarms == {}


def test_an_alarm_set_by_its_own_handler_is_the_next_one() -> None:
    """Whether the handler succeeds or then fails: it replaces the retry."""
    for outcome in ("finish", "fail"):
        book = unnamed()
        run = book.begin()
        book.alarms[UNNAMED] = Alarm(NOON_MS + 5)
        getattr(book, outcome)(run)
        assert book.alarms == {UNNAMED: Alarm(NOON_MS + 5)}


def test_an_alarm_deleted_by_its_own_handler_is_not_tried_again() -> None:
    """Storage deletes what is running with it."""
    book = unnamed()
    run = book.begin()
    book.alarms.clear()
    assert "deleted" in book.fail(run)
    assert book.alarms == {}


# Retries


def test_a_failure_is_tried_again_after_two_seconds_doubling_six_times() -> None:
    """Seven runs in all, each told how many failed before; the time that was set stays."""
    book = unnamed()
    waits, counts = [], []
    while book.alarms:
        run = book.begin()
        counts.append(run.info.retry_count)
        assert run.info.scheduled_at == NOON - timedelta(milliseconds=1)
        what = book.fail(run)
        if book.alarms:
            waits.append(book.alarms[UNNAMED].due_ms - book.now_ms)
            book.turn_to_next()
    assert counts == list(range(RETRIES_MAX + 1))
    assert waits == [2000, 4000, 8000, 16_000, 32_000, 64_000]
    assert "dropped" in what


def test_pauses_are_spread_by_up_to_a_quarter_and_bounded() -> None:
    """So that rooms that failed together do not come back together."""
    assert [pause_ms(0, chance) for chance in (0.0, 0.5, 1.0)] == [2000, 2250, 2500]
    assert pause_ms(1000, 0.0) == RETRY_S_MAX * 1000


def test_a_success_after_failures_starts_anew() -> None:
    """The next alarm knows nothing of them."""
    book = unnamed()
    book.fail(book.begin())
    book.turn_to_next()
    run = book.begin()
    assert run.info.retry_count == 1
    book.finish(run)
    book.alarms[UNNAMED] = Alarm(book.now_ms - 1)
    assert book.begin().info.retry_count == 0


# Processes that die


def test_an_alarm_whose_process_died_runs_again_and_is_not_counted() -> None:
    """After a pause that grows with each death, without end: it is never dropped for this."""
    book = unnamed()
    waits = []
    for _ in range(RETRIES_MAX + 3):
        run = book.begin()
        assert run.info == AlarmInfo("", NOON - timedelta(milliseconds=1), 0)
        book.recover()
        assert list(book.alarms) == [UNNAMED]
        waits.append(book.alarms[UNNAMED].due_ms - book.now_ms)
        book.turn_to_next()
    assert waits[:4] == [2000, 4000, 8000, 16_000]
    book.finish(book.begin())
    assert book.alarms == {}


def test_what_was_set_anew_before_the_process_died_fires_after_it() -> None:
    """Both fire: the one that was interrupted and the new one."""
    book = unnamed()
    book.begin()
    book.alarms[UNNAMED] = Alarm(NOON_MS + 500)
    book.recover()
    book.recover()  # another process died before it did anything

    book.turn_to_next()
    run = book.begin()
    assert run.info.scheduled_at == NOON - timedelta(milliseconds=1)
    book.finish(run)
    book.turn_to_next()
    run = book.begin()
    assert run.info.scheduled_at == NOON + timedelta(milliseconds=500)
    book.finish(run)
    assert book.alarms == {}


def test_a_tick_whose_process_died_runs_again_unless_the_next_comes_first() -> None:
    """A missed tick fires once."""
    hourly = Book(hourly=Entry(NOON_MS - 1, NOON_MS - 1, cron="0 * * * *").alarm())
    hourly.begin()
    hourly.recover()
    hourly.turn_to_next()
    assert hourly.now_ms < NOON_MS + 3000
    run = hourly.begin()
    assert run.info.scheduled_at == NOON - timedelta(milliseconds=1)
    hourly.finish(run)
    assert hourly.alarms[run.kept_as].due_ms == NOON_MS + 60 * MINUTE_MS

    secondly = Book(often=Entry(NOON_MS - 1, NOON_MS - 1, cron="* * * * * *").alarm())
    secondly.begin()
    secondly.recover()
    secondly.turn_to_next()
    assert secondly.begin().info.scheduled_at == NOON + timedelta(seconds=1)
    assert len(secondly.alarms) == 2


# Cron


@pytest.mark.parametrize(
    ("cron", "ticks"),
    [
        ("*/5 * * * *", ["2030-06-01 12:05", "2030-06-01 12:10"]),
        ("30 4 1 * *", ["2030-07-01 04:30", "2030-08-01 04:30"]),
        ("0 0 29 2 *", ["2032-02-29 00:00", "2036-02-29 00:00"]),
        ("0 9 * * MON-FRI", ["2030-06-03 09:00", "2030-06-04 09:00"]),
        ("*/20 * * * * *", ["2030-06-01 12:00:20", "2030-06-01 12:00:40"]),
    ],
)
def test_cron_expressions_tick_in_utc(cron: str, ticks: list[str]) -> None:
    """Minute, hour, day of the month, month, day of the week; with six fields seconds first."""
    at_ms, expected = NOON_MS, [datetime.fromisoformat(tick + "+00:00") for tick in ticks]
    for tick in expected:
        next_ms = schedules.next_tick_ms(cron, at_ms)
        assert next_ms is not None
        assert schedules.moment(next_ms) == tick
        at_ms = next_ms


def test_a_cron_schedule_moves_on_when_it_begins() -> None:
    """So it is among the schedules while it runs, with its next tick."""
    book = Book(report=schedules.recurring("report", " */5  * * * * ", NOON_MS))
    assert book.alarms[schedules.kept_as("report")].due_ms == NOON_MS + 5 * MINUTE_MS
    book.turn_to_next()
    run = book.begin()
    next_at = NOON + timedelta(minutes=10)
    assert schedules.schedules(book.alarms) == {
        "report": Schedule("report", next_at, "*/5 * * * *")
    }
    book.finish(run)
    assert list(book.alarms) == [schedules.kept_as("report")]


def test_missed_ticks_fire_once_and_late() -> None:
    """After three days at one tick in five minutes, one."""
    book = Book(report=schedules.recurring("report", "*/5 * * * *", NOON_MS))
    book.now_ms += 3 * 24 * 60 * MINUTE_MS + 7
    run = book.begin()
    assert run.info.scheduled_at == NOON + timedelta(minutes=5)
    book.finish(run)
    assert schedules.due(book.alarms, book.now_ms) is None
    book.turn_to_next()
    assert book.begin().info.scheduled_at == NOON + timedelta(days=3, minutes=5)


def test_a_tick_that_fails_is_tried_again_until_the_next_comes_first() -> None:
    """The next tick is not held up by it, and knows nothing of it."""
    book = Book(report=schedules.recurring("report", "* * * * *", NOON_MS))
    book.turn_to_next()
    retries = []
    for _ in range(5):
        run = book.begin()
        retries.append((run.info.scheduled_at.minute, run.info.retry_count))
        what = book.fail(run)
        book.turn_to_next()
    assert retries == [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)]
    assert "next tick" in what
    assert book.begin().info == AlarmInfo("report", NOON + timedelta(minutes=2), 0)


def test_a_tick_whose_schedule_was_changed_meanwhile_is_not_tried_again() -> None:
    """What the handler has set is what stays."""
    book = Book(report=schedules.recurring("report", "0 * * * *", NOON_MS))
    book.turn_to_next()
    run = book.begin()
    book.alarms[run.kept_as] = changed = schedules.recurring("report", "30 * * * *", book.now_ms)
    assert "set anew" in book.fail(run)
    assert book.alarms == {run.kept_as: changed}


# What is refused


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "60 * * * *", "a b c d e", "*/0 * * * *", "* * * * * * *", "*" * 999]
)
def test_what_is_no_cron_expression_is_refused(cron: str) -> None:
    """With the name of the schedule in the error."""
    with pytest.raises(InvalidSchedule, match="schedule 'report': "):
        schedules.recurring("report", cron, NOON_MS)


def test_a_cron_expression_that_never_fires_is_refused() -> None:
    """There is no 30th of February, and no leap year in the next two."""
    with pytest.raises(InvalidSchedule, match="'report'"):
        schedules.recurring("report", "0 0 30 2 *", NOON_MS)


@given(st.text(max_size=20) | st.from_regex(r"[\d*/,\-#LW ]{5,25}", fullmatch=True))
def test_any_text_is_a_cron_expression_or_refused(cron: str) -> None:
    """It never breaks the room, and what is accepted is due later than now."""
    try:
        alarm = schedules.recurring("x", cron, NOON_MS)
    except InvalidSchedule:
        return
    assert alarm.due_ms > NOON_MS


@pytest.mark.parametrize(
    "name", ["", "x" * (NAME_BYTES_MAX + 1), "\ud800", None, b"x", 7], ids=repr
)
def test_names_are_text_of_limited_length(name: object) -> None:
    """The empty name is the unnamed alarm's."""
    with pytest.raises(InvalidSchedule, match="name"):
        schedules.kept_as(name)  # type: ignore[arg-type]


def test_names_do_not_meet_what_storage_keeps() -> None:
    """A schedule may be named like anything."""
    kept = {schedules.kept_as(name) for name in ("running:", "named:x", "x", "running:named:x")}
    assert len(kept) == 4
    assert not kept & {UNNAMED, running(UNNAMED), running(schedules.kept_as("x"))}


def test_a_room_has_a_limited_number_of_schedules() -> None:
    """One that exists may still be replaced."""
    alarm = schedules.once("x", NOON)
    alarms = {schedules.kept_as(str(number)): alarm for number in range(SCHEDULES_MAX)}
    schedules.check_room("7", alarms)
    with pytest.raises(InvalidSchedule, match="1000"):
        schedules.check_room("one more", alarms)


@given(
    st.integers(1, 10**13), st.integers(1, 10**13), st.integers(0, 9), st.integers(0, 99), st.text()
)
def test_what_is_written_is_read(due: int, at: int, retries: int, losses: int, cron: str) -> None:
    """Through the form in which it is stored."""
    entry = Entry(due, at, retries, losses, cron)
    assert Entry.of(Alarm.unpacked(entry.alarm().packed().encode())) == entry
