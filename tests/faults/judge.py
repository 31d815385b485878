"""What must be true of a room when all is over, whatever happened meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from .clients import Call, Client
from .counting import check_counts
from .linearizability import Operation, Register, TooEntangled, check


def problems(clients: Sequence[Client], final: dict[str, Any]) -> list[str]:
    """What is wrong with a room, by what its clients saw and what is in it now."""
    calls = [(client.name, call) for client in clients for call in client.calls]
    return [
        *(fault for client in clients for fault in client.faults),
        *(f"never answered: {call}" for call in unanswered(clients)),
        *list_problems([call for _, call in calls], final["items"]),
        *count_problems([call for _, call in calls], final["count"]),
        *start_problems([call for _, call in calls], final["starts"]),
        *history_problems(calls, final),
    ]


def unanswered(clients: Iterable[Client]) -> list[Call]:
    """What clients that retry were never told."""
    return [
        call
        for client in clients
        if client.retry
        for call in client.calls
        if call.answered_s is None
    ]


def list_problems(calls: Iterable[Call], items: Sequence[str]) -> list[str]:
    """Each append that was acknowledged is in its place, and none is there twice."""
    appends = [call for call in calls if call.request["op"] == "append"]
    sent = {call.request["value"] for call in appends}
    found = [f"{item!r} was never appended" for item in items if item not in sent]
    if len(set(items)) != len(items):
        found += [f"{item!r} is there twice" for item in set(items) if items.count(item) > 1]
    for call in appends:
        value, length = call.request["value"], call.result
        if call.answered_s is not None and items[length - 1 : length] != [value]:
            found.append(f"{value!r} was acknowledged as item {length} and is not there")
    return found


def count_problems(calls: Iterable[Call], count: int) -> list[str]:
    """Every acknowledged addition counts, and no more than were sent."""
    adds = [call for call in calls if call.request["op"] == "add"]
    told = sum(call.answered_s is not None for call in adds)
    if told <= count <= len(adds):
        return []
    return [f"the count is {count} after {len(adds)} additions, {told} of them acknowledged"]


def start_problems(calls: Iterable[Call], starts: int) -> list[str]:
    """No answer of an earlier start to what was asked after a later start had answered."""
    found, latest = [], 0
    answers = sorted((c.answered_s, c.start) for c in calls if c.answered_s is not None)
    asked = sorted((c for c in calls if c.answered_s is not None), key=lambda c: c.called_s)
    position = 0
    for call in asked:
        while position < len(answers) and answers[position][0] < call.called_s:
            latest = max(latest, answers[position][1])
            position += 1
        if call.start < latest:
            found.append(f"start {call.start} answered {call} after start {latest} had answered")
    if starts < latest:
        found.append(f"start {latest} answered, but only {starts} are recorded")
    return found


def history_problems(calls: Iterable[tuple[str, Call]], final: dict[str, Any]) -> list[str]:
    """Each register, the counter and the list is linearizable, its present value included."""
    histories: dict[str, list[Operation]] = {"counter": [], "list": []}
    for client, call in calls:
        histories.setdefault(call.history, []).append(call.operation(client))
    now_s = time.monotonic()
    for name, value in (("counter", final["count"]), ("list", len(final["items"]))):
        histories[name].append(Operation("the end", "count", None, value, now_s, now_s))
    found = []
    for name, operations in histories.items():
        try:
            registers = name.startswith("register")
            verdict = check(operations, Register()) if registers else check_counts(operations)
        except TooEntangled as undecided:
            # Seen with histories that are wrong in many places, never with a good one.
            found.append(f"{name}: undecided, {undecided}")
        else:
            found += [f"{name}: {verdict.problem}"] if not verdict else []
    return found
