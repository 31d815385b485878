"""Is the history of a counter linearizable? Exact, and fast however bad the history is.

The search of linearizability.py needs not try anything here: each addition tells its place, so the
order is known. Place by place, the earliest moment is taken that the times of the calls allow;
if even that is too late for an answer, no other choice would be in time.
"""

from __future__ import annotations

from collections.abc import Iterable

from .linearizability import Operation, Verdict


def check_counts(operations: Iterable[Operation]) -> Verdict:
    """Decide whether `add` (tells the count with it) and `count` are linearizable."""
    adds: dict[int, Operation] = {}
    counts: dict[int, list[Operation]] = {}
    lost = []
    for operation in operations:
        if operation.answered_s is None:
            lost += [operation] if operation.kind == "add" else []
        elif operation.kind == "count":
            counts.setdefault(operation.result, []).append(operation)
        elif operation.result in adds:
            return Verdict(f"told the same: {adds[operation.result]}, and {operation}")
        else:
            adds[operation.result] = operation
    # Any of them may be what fills a gap: the one called first is never a worse choice.
    lost.sort(key=lambda operation: operation.called_s, reverse=True)
    return _in_time(adds, counts, lost)


def _in_time(
    adds: dict[int, Operation], counts: dict[int, list[Operation]], lost: list[Operation]
) -> Verdict:
    now_s = float("-inf")
    told = adds.keys() | counts.keys()
    if told and (min(told) < 0 or 0 in adds):
        return Verdict(f"less than nothing was counted: {min(told)}")
    for place in range(max(told, default=-1) + 1):
        if place:
            if place not in adds and not lost:
                return Verdict(f"nobody made it {place}, though more were told")
            add = adds.get(place) or lost.pop()
            now_s = max(now_s, add.called_s)
            if add.answered_s is not None and add.answered_s < now_s:
                return Verdict(f"answered before it could be {place}: {add}")
        for count in sorted(counts.get(place, ()), key=lambda operation: operation.called_s):
            now_s = max(now_s, count.called_s)
            if count.answered_s is not None and count.answered_s < now_s:
                return Verdict(f"too late to be told {place}: {count}")
    return Verdict()
