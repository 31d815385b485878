"""Is there an order of operations that explains what clients saw? Wing and Gong's search with
Lowe's memory of what was tried (the WGL algorithm).

An operation takes effect at one moment between its call and its answer. One that was never
answered may have taken effect at any time after its call, or not at all. A history is linearizable
if such moments can be chosen so that the model, run in that order, gives every answer that was
given. The check is exact: it never accepts a bad history nor refuses a good one; it may give up
on one that is too entangled (`TooEntangled`), which is neither.

Not here: splitting a history by key (each key is a history of its own), what clients do.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

STEPS_MAX = 1_000_000  # of the search, before it gives up


@dataclass(frozen=True)
class Operation:
    """One call of a client. Times are of one clock; `answered_s` is None if no answer came."""

    client: str
    kind: str
    argument: Hashable
    result: Any
    called_s: float
    answered_s: float | None

    def __str__(self) -> str:
        told = (
            "no answer" if self.answered_s is None else f"{self.result!r} at {self.answered_s:.6f}"
        )
        return f"{self.client} {self.kind}({self.argument!r}) at {self.called_s:.6f} -> {told}"


class Model(Protocol):
    """What is checked against: a value that operations change and tell."""

    initial: Hashable

    def apply(self, state: Any, operation: Operation) -> tuple[bool, Hashable]:
        """Whether `operation` can give its answer in `state`, and the state after it.

        An operation without an answer is always possible.
        """

    def simplify(self, operations: list[Operation]) -> list[Operation]:
        """Leave out operations whose presence cannot change the verdict."""


class TooEntangled(Exception):
    """The search was given up: too many operations overlap."""


@dataclass(frozen=True)
class Verdict:
    """`problem` is empty for a linearizable history, else says how far it can be explained."""

    problem: str = ""

    def __bool__(self) -> bool:
        return not self.problem


class _Event:
    """A call or an answer in a doubly linked list, in the order of time."""

    __slots__ = ("answer", "index", "needs", "next", "operation", "previous")

    def __init__(self, operation: Operation, index: int, answer: _Event | None) -> None:
        self.operation = operation
        self.index = index
        self.answer = answer  # of a call; None for an answer
        self.needs = 0  # bits of operations that have to be done before: see `_order_twins`
        self.previous: _Event
        self.next: _Event | None = None


def check(operations: Iterable[Operation], model: Model) -> Verdict:
    """Decide whether a history is linearizable.

    Raises:
        TooEntangled: After `STEPS_MAX` steps without a decision.
    """
    history = model.simplify(list(operations))
    head = _event_list(history)
    state, done = model.initial, 0
    tried: set[tuple[int, Hashable]] = set()
    chosen: list[tuple[_Event, Hashable]] = []
    furthest = _Furthest()
    event = head.next
    for _ in range(STEPS_MAX):
        if event is None:
            return Verdict()
        if event.answer is not None:
            possible, after = model.apply(state, event.operation)
            possible = possible and done & event.needs == event.needs
            marked = done | 1 << event.index
            if possible and (marked, after) not in tried:
                tried.add((marked, after))
                chosen.append((event, state))
                state, done = after, marked
                _lift(event)
                event = head.next
            else:
                event = event.next
        elif event.operation.answered_s is None:
            return Verdict()  # only what was never answered is left, and that may not have happened
        else:
            # An answer whose operation has not taken effect: one of the choices was wrong.
            furthest.note(chosen, state, event.operation)
            if not chosen:
                return Verdict(str(furthest))
            event, state = chosen.pop()
            done &= ~(1 << event.index)
            _unlift(event)
            event = event.next
    unanswered = sum(operation.answered_s is None for operation in history)
    raise TooEntangled(f"{len(history)} operations, {unanswered} of them without an answer")


class _Furthest:
    """The longest explanation found so far, for the report."""

    def __init__(self) -> None:
        self._order: list[Operation] = []
        self._state: Hashable = None
        self._stuck: Operation | None = None

    def note(
        self, chosen: list[tuple[_Event, Hashable]], state: Hashable, stuck: Operation
    ) -> None:
        if self._stuck is None or len(chosen) > len(self._order):
            self._order = [event.operation for event, _ in chosen]
            self._state, self._stuck = state, stuck

    def __str__(self) -> str:
        last = "\n  ".join(map(str, self._order[-8:])) or "nothing"
        return (
            f"explained {len(self._order)} operations, the last of them\n  {last}\n"
            f"which leave {self._state!r}; that does not explain\n  {self._stuck}"
        )


def _event_list(history: list[Operation]) -> _Event:
    """All calls and answers by time behind a head; calls before answers of the same moment."""
    timed: list[tuple[float, int, _Event]] = []
    for index, operation in enumerate(history):
        answer = _Event(operation, index, None)
        answered_s = float("inf") if operation.answered_s is None else operation.answered_s
        timed.append((operation.called_s, 0, _Event(operation, index, answer)))
        timed.append((answered_s, 1, answer))
    timed.sort(key=lambda entry: entry[:2])
    _order_twins(event for _, _, event in timed)
    head = last = _Event(Operation("", "", None, None, 0.0, None), 0, None)
    for _, _, event in timed:
        last.next, event.previous = event, last
        last = event
    return head


def _order_twins(events: Iterable[_Event]) -> None:
    """Of equal operations without an answer the one called first is to be done first.

    They can be exchanged for one another, so that this loses no order, and spares the search all
    the ways to choose among them.
    """
    last: dict[tuple[str, Hashable], _Event] = {}
    for event in events:
        operation = event.operation
        if event.answer is not None and operation.answered_s is None:
            twin = last.get((operation.kind, operation.argument))
            event.needs = 0 if twin is None else 1 << twin.index
            last[operation.kind, operation.argument] = event


def _lift(call: _Event) -> None:
    """Take a call and its answer out of the list."""
    assert call.answer is not None
    for event in (call, call.answer):
        event.previous.next = event.next
        if event.next is not None:
            event.next.previous = event.previous


def _unlift(call: _Event) -> None:
    """Put them back, in reverse."""
    assert call.answer is not None
    for event in (call.answer, call):
        event.previous.next = event
        if event.next is not None:
            event.next.previous = event


class Register:
    """`write(value)` -> anything, `read()` -> the value last written, None at first.

    Every value is written at most once.
    """

    initial: Hashable = None

    def apply(self, state: Any, operation: Operation) -> tuple[bool, Hashable]:
        if operation.kind == "write":
            return True, operation.argument
        return operation.answered_s is None or operation.result == state, state

    def simplify(self, operations: list[Operation]) -> list[Operation]:
        # A write that was never answered and never seen can be left out of any order.
        seen = {operation.result for operation in operations if operation.kind == "read"}
        return [
            operation
            for operation in operations
            if operation.answered_s is not None
            or (operation.kind == "write" and operation.argument in seen)
        ]


class Sequence:
    """`add()` -> how many there are then, `count()` -> how many there are.

    A counter, and equally a list whose `add` tells the length after the append.
    """

    initial: Hashable = 0

    def apply(self, state: Any, operation: Operation) -> tuple[bool, Hashable]:
        after = state + (operation.kind == "add")
        return operation.answered_s is None or operation.result == after, after

    def simplify(self, operations: list[Operation]) -> list[Operation]:
        return [o for o in operations if o.answered_s is not None or o.kind == "add"]
