"""The life of a room: every state with every step."""

from __future__ import annotations

import pytest
from parlour.actors.lifecycle import TRANSITIONS, IllegalStep, State, Step, next_state

ALLOWED = {
    (State.ABSENT, Step.WAKE): State.WAKING,
    (State.WAKING, Step.STARTED): State.LIVE,
    (State.WAKING, Step.START_FAILED): State.ABSENT,
    (State.WAKING, Step.BREAK): State.BROKEN,
    (State.LIVE, Step.PAUSE): State.PAUSED,
    (State.PAUSED, Step.RESUME): State.LIVE,
    (State.PAUSED, Step.BREAK): State.BROKEN,
    (State.LIVE, Step.LEAVE): State.DRAINING,
    (State.LIVE, Step.BREAK): State.BROKEN,
    (State.DRAINING, Step.LEFT): State.ABSENT,
    (State.DRAINING, Step.BREAK): State.BROKEN,
    (State.BROKEN, Step.CLEARED): State.ABSENT,
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_a_step_leads_where_the_life_of_a_room_says_or_nowhere(state: State, step: Step) -> None:
    """What is not in the list is a defect, and its error names room, state and step."""
    if (state, step) in ALLOWED:
        assert next_state("chat/x", state, step) is ALLOWED[state, step]
        return
    with pytest.raises(IllegalStep, match=f"chat/x is {state.value}.*'{step.value}'") as raised:
        next_state("chat/x", state, step)
    assert (raised.value.room, raised.value.state, raised.value.step) == ("chat/x", state, step)


def test_every_state_can_be_reached_and_left() -> None:
    """No room is stuck, and no state is there for nothing."""
    assert {state for state, _ in TRANSITIONS} == set(State) == set(TRANSITIONS.values())


def test_every_step_means_something_somewhere() -> None:
    """A step that no state takes would be dead code."""
    assert {step for _, step in TRANSITIONS} == set(Step)


def test_a_room_that_runs_can_break_and_one_that_does_not_cannot() -> None:
    """The lease or the storage may be lost from the claim to the release."""
    breakable = {state for state, step in TRANSITIONS if step is Step.BREAK}
    assert breakable == {State.WAKING, State.LIVE, State.PAUSED, State.DRAINING}
