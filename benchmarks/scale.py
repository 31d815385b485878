"""What 1 million rooms and 10 million sockets take: arithmetic, decisions at that size, a day.

    python -m benchmarks.scale              # the arithmetic, printed
    python -m benchmarks.scale write        # into docs/scale.md
    python -m benchmarks.scale measure      # CPU of decisions, waits, deploys, bytes in Redis
    python -m benchmarks.scale day          # 1 million rooms for a day, some two minutes of CPU

`measure` and `day` write their tables and charts into docs/, too, which are a record of one run:
CPU times depend on the machine. The arithmetic has to be as `write` leaves it.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Mapping, Sequence
from resource import RUSAGE_SELF, getrusage

from benchmarks import scale_day, scale_looks, scale_rollout, scale_standbys, scale_storage
from benchmarks import scale_tables as tables
from benchmarks.harness import ROOT
from benchmarks.scale_day import Day
from benchmarks.scale_looks import LookCosts
from benchmarks.scale_plot import Series, line_chart

DOCS = ROOT / "docs"
PAGE = DOCS / "scale.md"
SIZES = ((10_000, 500), (50_000, 500), (100_000, 500), (1_000, 1), (2_000, 1))
ARRIVALS_PER_S = (0.5, 2, 3, 5)
STANDBYS = (2, 8, 32)
ROLLOUTS = ((200, 1, 60.0), (200, 1, 300.0), (1_000, 500, 60.0), (5_000, 500, 60.0))
_BLOCK = r"(<!-- scale: {} -->\n).*?(<!-- end -->)"


class PageError(ValueError):
    """The page has no place for a table."""


def arithmetic() -> dict[str, str]:
    """The tables that are reckoned, by their names in the page."""
    return {
        "costs": tables.costs(),
        "asked": tables.asked(),
        "nodes": tables.nodes(),
        "redis": tables.redis(),
    }


def in_page(page: str, new: Mapping[str, str]) -> str:
    """The page with these tables in the places that are marked for them.

    Raises:
        PageError: If it has not exactly one place for each.
    """
    for name, text in new.items():
        parts = re.split(_BLOCK.format(re.escape(name)), page, flags=re.DOTALL)
        count = len(parts) // 3  # before, then for each place its two marks and what follows
        if count != 1:
            raise PageError(
                f"{count} places are marked `<!-- scale: {name} -->` to `<!-- end -->`; one must be"
            )
        page = f"{parts[0]}{parts[1]}{text}\n{parts[2]}{parts[3]}"
    return page


def measure() -> dict[str, str]:
    """CPU of decisions, waits and deploys."""
    looks = [scale_looks.measure(rooms, per_actor) for rooms, per_actor in SIZES]
    (DOCS / "scale-looks.svg").write_text(looks_chart(looks))
    waits = [
        scale_standbys.simulate(rate, standbys, wakes=500)
        for rate in ARRIVALS_PER_S
        for standbys in STANDBYS
    ]
    rollouts = [scale_rollout.simulate(*each) for each in ROLLOUTS]
    stored = scale_storage.measure()
    print(f"in Redis: a room {stored.room:.0f} bytes, a key {stored.key:.0f} bytes")
    return {
        "looks": tables.looks(looks),
        "standbys": tables.standbys(waits),
        "rollouts": tables.rollouts(rollouts),
    }


def looks_chart(looks: Sequence[LookCosts]) -> str:
    """CPU of a look by live rooms that share room actors."""
    shared = [one for one in looks if one.rooms_per_actor > 1]
    names = {"a look": "look_ms", "reports": "reports_ms", "a look of a deploy": "deploy_look_ms"}
    series = [
        Series(name, [(0, 0), *((one.rooms, getattr(one, field)) for one in shared)], colour)
        for colour, (name, field) in enumerate(names.items())
    ]
    return line_chart("CPU of a manager", "live rooms of its node", "ms", series)


def day() -> dict[str, str]:
    """A day of 1 million rooms."""
    began_s = time.process_time()
    lived = scale_day.simulate(scale_day.Plan())
    took_s = time.process_time() - began_s
    print(f"{took_s:.0f} s of CPU, {getrusage(RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    (DOCS / "scale-day.svg").write_text(day_chart(lived))
    return {"day": tables.day(lived)}


def day_chart(lived: Day) -> str:
    """Rooms of each node over the day; who died, was drained, or has more clients in colour."""
    plan = lived.plan
    hours = [(step + 1) * plan.step_s / 3600 for step in range(len(lived.live))]
    series = []
    for number in range(plan.nodes):
        points = list(zip(hours, (float(live[number]) for live in lived.live), strict=True))
        if number == 0:
            series.append(Series("twice the clients, drained", points, 1))
        elif number == plan.nodes - 1:
            series.append(Series("killed", points, 3))
        elif number < plan.favoured:
            series.append(Series("twice the clients", points, 2))
        else:
            series.append(Series("each other node", points, 0, faint=number > plan.favoured))
    return line_chart("Live rooms of each node over a day", "hour", "rooms", series)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("what", nargs="?", choices=["write", "measure", "day"])
    what = parser.parse_args(arguments).what
    found = {"measure": measure, "day": day}.get(what, arithmetic)()
    if what is not None:
        PAGE.write_text(in_page(PAGE.read_text(), found))
    for name, text in found.items():
        print(f"{name}\n\n{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
