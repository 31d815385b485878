"""What is logged of a failure that goes on."""

from __future__ import annotations

from parlour.actors.repeats import REPEAT_S, Repeats


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_failure_is_logged_once_a_period_with_how_often_it_was_met() -> None:
    """At once at first; a thousand attempts in between add a number to the next line."""
    clock = Clock()
    repeats = Repeats(clock)
    assert repeats.failed() == ""
    for _ in range(1000):
        clock.now_s += REPEAT_S / 1001
        assert repeats.failed() is None
    clock.now_s = REPEAT_S
    assert repeats.failed() == " (1,000 times more since the last line)"
    clock.now_s = 2 * REPEAT_S
    assert repeats.failed() == ""


def test_the_next_failure_after_a_success_is_another_one() -> None:
    """It is logged at once, and counts for itself."""
    repeats = Repeats(Clock())
    assert repeats.failed() == ""
    assert repeats.failed() is None
    repeats.succeeded()
    assert repeats.failed() == ""
    assert repeats.failed() is None
