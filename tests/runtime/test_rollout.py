"""How rooms move to another version, and when a version is given up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.runtime.rollout import (
    AFTER_ROLLBACK_S,
    FAILED_ROOMS_MIN,
    MOVING_MAX,
    PROBATION_S,
    Rollout,
    Schedule,
    has_failed,
)


def test_without_a_time_rooms_move_as_they_hibernate() -> None:
    """None is told, however long it takes."""
    assert Schedule(100, 0.0, None).moves_due(100, 0, 1e9) == 0


@pytest.mark.parametrize("within_s", [math.inf, math.nan])
def test_a_time_that_never_ends_is_no_time(within_s: float) -> None:
    """Nor one that is no number: nothing is told, and nothing breaks."""
    assert Schedule(100, 0.0, within_s).moves_due(100, 0, 10.0) == 0


@pytest.mark.parametrize("within_s", [0.0, -1.0])
def test_at_once_means_all_at_once(within_s: float) -> None:
    """No time at all."""
    assert Schedule(100, 5.0, within_s).moves_due(100, 0, 5.0) == 100


def test_rooms_move_evenly_over_the_time() -> None:
    """After a tenth of it, a tenth."""
    schedule = Schedule(100, 0.0, 10.0)
    assert schedule.moves_due(100, 0, 0.0) == 0
    assert schedule.moves_due(100, 0, 1.0) == 10
    assert schedule.moves_due(95, 0, 1.0) == 5  # five have left by themselves
    assert schedule.moves_due(100, 10, 1.0) == 0  # those are on their way
    assert schedule.moves_due(90, 0, 1.0) == 0
    assert schedule.moves_due(7, 2, 10.0) == 5


@given(
    rooms=st.integers(0, 2000),
    within_s=st.floats(1e-3, 1e6),
    left=st.integers(0, 2000),
    moving=st.integers(0, 2000),
    passed=st.floats(0.0, 2.0),
    later=st.floats(0.0, 2.0),
)
def test_never_too_many_move_at_once_and_all_have_moved_in_the_end(
    rooms: int, within_s: float, left: int, moving: int, passed: float, later: float
) -> None:
    """Whatever has happened meanwhile; with time, ever more are due."""
    moving = min(moving, left)
    schedule = Schedule(rooms, 1000.0, within_s)
    now_s, then_s = (1000.0 + share * within_s for share in sorted((passed, later)))
    now, then = (schedule.moves_due(left, moving, each) for each in (now_s, then_s))
    assert 0 <= now <= then <= left - moving
    if now_s < 1000.0 + within_s:
        assert now == 0 or now + moving <= MOVING_MAX
    else:
        assert now == left - moving


@given(rooms=st.integers(1, 500), within_s=st.floats(1.0, 600.0), data=st.data())
def test_a_whole_rollout_is_even_and_in_time(
    rooms: int, within_s: float, data: st.DataObject
) -> None:
    """Looked at every fifth of a second, with rooms that take their time to leave."""
    schedule = Schedule(rooms, 0.0, within_s)
    takes = data.draw(st.integers(1, 5))
    leaving: list[int] = []  # at which look each of those that were told is gone
    left = rooms
    looks = math.ceil(within_s / max(0.2, within_s / 50))
    for look in range(looks + 1):
        now_s = within_s if look == looks else within_s * look / looks
        left -= sum(each <= look for each in leaving)
        leaving = [each for each in leaving if each > look]
        due = schedule.moves_due(left, len(leaving), now_s)
        if look < looks:
            assert len(leaving) + due <= MOVING_MAX
            may_stay = math.floor(rooms * (1 - look / looks) - 1e-6)
            assert due == 0 or left - len(leaving) - due >= may_stay, "sent away before its time"
        else:
            assert left - len(leaving) - due == 0
        leaving += [look + takes] * due


@pytest.mark.parametrize(
    ("started", "failed", "given_up"),
    [
        (0, 0, False),
        (0, FAILED_ROOMS_MIN - 1, False),
        (0, FAILED_ROOMS_MIN, True),
        (3, 3, True),
        (4, 3, False),
        (1000, 1000, True),
        (1000, 999, False),
        (1000, 0, False),
    ],
)
def test_a_version_is_given_up_when_half_of_its_rooms_fail(
    started: int, failed: int, given_up: bool
) -> None:
    """But not for the few that may be to blame for themselves."""
    assert has_failed(started, failed) is given_up


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_one_more_that_starts_never_ends_a_version(started: int, failed: int) -> None:
    """And one more that fails never saves it."""
    if has_failed(started + 1, failed):
        assert has_failed(started, failed)
    if has_failed(started, failed):
        assert has_failed(started, failed + 1)


def test_a_new_version_is_on_probation_while_there_is_one_to_go_back_to() -> None:
    """For a minute, in which gateways are patient."""
    new = Rollout.of_new(2, previous=1, within_s=None, now_s=1000.0)
    assert new.is_on_probation(1000.0 + PROBATION_S - 1)
    assert new.is_patient(1000.0 + PROBATION_S - 1)
    assert not new.is_on_probation(1000.0 + PROBATION_S)
    assert not new.is_patient(1000.0 + PROBATION_S)
    first = Rollout.of_new(1, previous=0, within_s=None, now_s=1000.0)
    assert not first.is_on_probation(1000.0)
    assert not first.is_patient(1000.0)


def test_gateways_stay_patient_for_a_while_after_a_rollback_by_itself() -> None:
    """Rooms may still be failing with what was left; the version that is back is not tried."""
    new = Rollout.of_new(2, previous=1, within_s=None, now_s=1000.0)
    back = new.back_to(1, 0.0, now_s=1010.0)
    assert back == Rollout(1, 1010.0, 0.0, previous=0, patient_s=AFTER_ROLLBACK_S)
    assert not back.is_on_probation(1010.0)
    late = new.back_to(1, 0.0, now_s=1000.0 + PROBATION_S)
    assert not late.is_patient(1000.0 + PROBATION_S)


@pytest.mark.parametrize(
    ("within_s", "passed_s", "left_s"),
    [
        (None, 5.0, None),
        (math.inf, 5.0, math.inf),
        (60.0, 0.0, 60.0),
        (60.0, 50.0, 10.0),
        (60.0, 100.0, 0.0),
        (60.0, -3600.0, 60.0),
    ],
)
def test_who_comes_later_has_what_is_left_of_the_time(
    within_s: float | None, passed_s: float, left_s: float | None
) -> None:
    """A node that was cut off, a manager that was restarted; also when a clock was set back."""
    assert Rollout(2, 1000.0, within_s).left_s(1000.0 + passed_s) == left_s
