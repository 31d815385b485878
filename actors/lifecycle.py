"""The life of a room as a table.

Rule: whether a room may take a step is decided here and nowhere else.

    ABSENT    no process has the room. Its sockets and its storage may well exist.
    WAKING    a room actor claims it, builds it and runs `on_start`; events wait in the mailbox.
    LIVE      events are handled, one at a time.
    PAUSED    the lease ran out, and nobody is known to have taken the room: what is in hand goes
              on, no event begins, nothing leaves, until the claim is made anew or found lost.
    DRAINING  no further event is taken; the one in hand ends, what was written is flushed, the
              claim is given back. Events that arrive stay with their gateway and wake it again.
    BROKEN    the claim, the lease or the storage was lost: nothing may leave any more. What was
              not durable is dropped, and the next event wakes the room from what is.
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where a room stands."""

    ABSENT = "absent"  # Next: WAKING.
    WAKING = "waking"  # Next: LIVE, ABSENT (could not start), BROKEN.
    LIVE = "live"  # Next: PAUSED, DRAINING, BROKEN.
    PAUSED = "paused"  # Next: LIVE, BROKEN.
    DRAINING = "draining"  # Next: ABSENT, BROKEN.
    BROKEN = "broken"  # Next: ABSENT.


class Step(enum.Enum):
    """What happens to a room."""

    WAKE = "wake"  # a gateway has an event for it
    STARTED = "started"  # on_start is done
    START_FAILED = "start failed"  # the claim was refused, or on_start raised
    PAUSE = "pause"  # the lease ran out
    RESUME = "resume"  # there is another, and the room was claimed anew under it
    LEAVE = "leave"  # the manager, a deploy or a shutdown wants it out of this process
    LEFT = "left"  # flushed, and the claim given back
    BREAK = "break"  # the storage failed for good, or the claim is somebody else's
    CLEARED = "cleared"  # what the broken room held has been dropped


TRANSITIONS: dict[tuple[State, Step], State] = {
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


class IllegalStep(Exception):
    """A step that the table does not allow: a defect of Parlour, never of a room class."""

    def __init__(self, room: str, state: State, step: Step) -> None:
        super().__init__(f"room {room} is {state.value}, where {step.value!r} cannot happen")
        self.room = room
        self.state = state
        self.step = step


def next_state(room: str, state: State, step: Step) -> State:
    """The state after `step`.

    Raises:
        IllegalStep: If the table has no such transition; it names room, state and step.
    """
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise IllegalStep(room, state, step) from None
