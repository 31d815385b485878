"""The checker of histories: it can tell bad ones from good ones, and agrees with trying it all."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from . import linearizability
from .counting import check_counts
from .linearizability import Model, Operation, Register, Sequence, TooEntangled, check


def op(
    kind: str, argument: Any, result: Any, called_s: float, answered_s: float | None
) -> Operation:
    return Operation(f"client at {called_s}", kind, argument, result, called_s, answered_s)


def test_a_read_that_overlaps_a_write_may_see_either_value() -> None:
    """Both moments lie within the write."""
    for seen in (None, 1):
        history = [op("write", 1, None, 0, 10), op("read", None, seen, 1, 2)]
        assert check(history, Register())


def test_a_read_after_a_write_must_see_it() -> None:
    """A stale answer, as of an owner that was replaced and does not know."""
    history = [op("write", 1, None, 0, 1), op("read", None, None, 2, 3)]
    verdict = check(history, Register())
    assert not verdict
    assert "read(None)" in verdict.problem


def test_a_value_that_was_seen_cannot_be_unseen() -> None:
    """Two reads, one after the other, while a write is under way: new, then old."""
    write = op("write", 1, None, 0, 10)
    new, old = op("read", None, 1, 1, 2), op("read", None, None, 3, 4)
    assert not check([write, new, old], Register())


def test_a_write_without_an_answer_may_happen_late_or_never() -> None:
    """It may be seen at any time, but only once it is there it stays."""
    lost = op("write", 1, None, 0, None)
    late = [op("read", None, None, 1, 2), op("read", None, 1, 90, 91)]
    assert check([lost, *late], Register())
    assert check([lost, late[0]], Register())
    assert not check([lost, *late, op("read", None, None, 92, 93)], Register())


def test_a_write_that_was_acknowledged_and_lost_is_found() -> None:
    """Also when another write, to blame for it otherwise, was never answered."""
    history = [
        op("write", 1, None, 0, 1),
        op("write", 2, None, 2, 3),
        op("write", 3, None, 4, None),
        op("read", None, 1, 5, 6),
    ]
    assert not check(history, Register())


def test_an_addition_that_is_applied_twice_is_found() -> None:
    """Two additions in a row that tell 1 and 3, with nothing in between."""
    history = [op("add", None, 1, 0, 1), op("add", None, 3, 2, 3)]
    assert not check(history, Sequence())
    assert check([*history, op("add", None, None, 0, None)], Sequence())


def test_an_addition_that_is_lost_is_found() -> None:
    """Two that tell the same number."""
    assert not check([op("add", None, 1, 0, 5), op("add", None, 1, 1, 6)], Sequence())


def test_a_count_may_not_run_backwards() -> None:
    """Overlapping additions may be counted in any order, but by everybody in the same."""
    adds = [op("add", None, 1, 0, 10), op("add", None, 2, 0, 10)]
    assert check([*adds, op("count", None, 1, 1, 2), op("count", None, 2, 3, 4)], Sequence())
    assert not check([*adds, op("count", None, 2, 1, 2), op("count", None, 1, 3, 4)], Sequence())


@pytest.mark.parametrize("model", [Register(), Sequence()])
def test_it_agrees_with_trying_every_order(model: Model) -> None:
    """2,000 small histories at random, good and bad ones."""
    dice = random.Random(20261123)
    verdicts = []
    for _ in range(2_000):
        history = random_history(dice, model)
        verdicts.append(bool(check(history, model)))
        assert verdicts[-1] == explainable(history, model), "\n".join(map(str, history))
        if isinstance(model, Sequence):
            assert bool(check_counts(history)) == verdicts[-1], "\n".join(map(str, history))
    assert 200 < sum(verdicts) < 1_800


def random_history(dice: random.Random, model: Model) -> list[Operation]:
    history = []
    for number in range(dice.randint(1, 5)):
        called_s = dice.randint(0, 8)
        answered_s = None if dice.random() < 0.2 else called_s + dice.randint(1, 6)
        if isinstance(model, Sequence):
            kind = dice.choice(("add", "add", "count"))
            history.append(op(kind, None, dice.randint(kind == "add", 3), called_s, answered_s))
        elif dice.random() < 0.5:
            history.append(op("write", number, None, called_s, answered_s))
        else:
            seen = dice.choice((None, 0, 1, 2))
            history.append(op("read", None, seen, called_s, answered_s))
    return history


def explainable(history: list[Operation], model: Model) -> bool:
    """Whether any order of any choice of the unanswered operations explains the history."""
    lost = [o for o in history if o.answered_s is None]
    known = [o for o in history if o.answered_s is not None]
    for count in range(len(lost) + 1):
        for happened in itertools.combinations(lost, count):
            for order in itertools.permutations([*known, *happened]):
                if in_time(order) and gives_the_answers(order, model):
                    return True
    return False


def in_time(order: tuple[Operation, ...]) -> bool:
    return not any(
        later.answered_s is not None and later.answered_s < earlier.called_s
        for earlier, later in itertools.combinations(order, 2)
    )


def gives_the_answers(order: tuple[Operation, ...], model: Model) -> bool:
    state = model.initial
    for operation in order:
        possible, state = model.apply(state, operation)
        if not possible:
            return False
    return True


def test_a_long_history_with_many_lost_answers_takes_no_time() -> None:
    """3,000 operations of 12 clients, every tenth without an answer: decided within the steps."""
    dice = random.Random(7)
    history, now_s = [], 0.0
    free_s = [0.0] * 12
    for count in range(1, 3_001):
        client = min(range(12), key=free_s.__getitem__)
        called_s = free_s[client]
        now_s = max(now_s, called_s)
        free_s[client] = now_s + dice.random()
        answered_s = None if dice.random() < 0.1 else free_s[client]
        history.append(op("add", None, count, called_s, answered_s))
    assert check(history, Sequence())
    assert check_counts(history)
    broken = history[1_500]
    history[1_500] = op("add", None, 10_000, broken.called_s, broken.called_s + 1)
    assert not check(history, Sequence())
    assert not check_counts(history)


def test_it_gives_up_rather_than_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict is never made up."""
    monkeypatch.setattr(linearizability, "STEPS_MAX", 10)
    history = [op("write", n, None, 0, 1) for n in range(8)] + [op("read", None, 99, 2, 3)]
    with pytest.raises(TooEntangled):
        check(history, Register())
