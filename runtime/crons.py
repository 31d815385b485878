"""When the project's crons are due. Pure: the time is given, and what was run is kept elsewhere.

Ticks that were missed, as nothing ran at their time, are made up for by one, late. A cron that is
new begins with its next tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..actors.edge_hooks import CRON
from ..actors.options import RoomOptions
from ..actors.parties import MAIN
from ..actors.schedules import InvalidSchedule, next_tick_ms, recurring

CRONS_MAX = 100  # of one project


class Tick(NamedTuple):
    """A cron that is due."""

    name: str
    scheduled_ms: int


def check(crons: Mapping[str, str], now_ms: int) -> None:
    """Look whether these are crons.

    Raises:
        InvalidSchedule: If one is none, or never fires, or there are more than `CRONS_MAX`.
    """
    for name, expression in crons.items():
        recurring(name, expression, now_ms)
    if len(crons) > CRONS_MAX:
        last = list(crons)[-1]
        raise InvalidSchedule(last, f"there are {len(crons)} crons, a project has {CRONS_MAX}")


def check_hook(crons: Mapping[str, str], parties: Mapping[str, RoomOptions]) -> None:
    """Look whether there is a hook for them.

    Raises:
        InvalidSchedule: If there is none; nothing would ever happen.
    """
    if crons and (MAIN not in parties or CRON not in parties[MAIN].edge_hooks):
        raise InvalidSchedule(
            next(iter(crons)),
            f"the class of the party {MAIN!r} has no {CRON}; add one, as in "
            f"@staticmethod def {CRON}(cron, lobby)",
        )


def due(crons: Mapping[str, str], last_ms: Mapping[str, int], now_ms: int) -> list[Tick]:
    """The crons to be run now; `last_ms` is when each was run last, or was first seen."""
    ticks = []
    for name, expression in crons.items():
        if name in last_ms:
            scheduled_ms = next_tick_ms(expression, last_ms[name])
            if scheduled_ms is not None and scheduled_ms <= now_ms:
                ticks.append(Tick(name, scheduled_ms))
    return ticks


def looked(
    crons: Mapping[str, str], last_ms: Mapping[str, int], ticks: list[Tick], now_ms: int
) -> dict[str, int]:
    """What `last_ms` is after these ticks were run; crons that are no more are forgotten."""
    run = {tick.name for tick in ticks}
    return {name: now_ms if name in run else last_ms.get(name, now_ms) for name in crons}
