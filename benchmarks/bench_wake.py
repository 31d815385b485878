"""Waking: how long does a client wait at a room that is not live?

    python -m benchmarks.bench_wake --rooms 500 --rounds 3

A visit is what a user sees: connect, say one thing, get the answer (or ask over HTTP and get it).
Every room is new and its storage empty: `on_start` reads a key, the message puts it, and the
answer leaves when that is durable. The Durable Objects of workerd do the same.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from parlour.actors.messages import RoomKey

from benchmarks import report
from benchmarks.client import BadAnswer
from benchmarks.cpu import CpuMeter
from benchmarks.harness import FOLDER, ROOT
from benchmarks.peers.parlour_server import ParlourOverValkey
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.workerd import WorkerdServer
from benchmarks.ratios import ratio_of
from benchmarks.room_actors import RoomActors
from benchmarks.visits import Answer, Protocol, Visit, visit_all

# By default Parlour takes every room for a process of its own and allows as many as memory has
# room for; the rooms here share processes.
LIVE_ROOMS_MAX = 10_000
ALONE_ROOMS = 20  # a round, with rooms_per_actor = 1: each costs a process
FRESH = Answer(handled=1, count=1)


@dataclass(frozen=True)
class Case:
    """Some visits to cold rooms."""

    name: str
    party: str
    protocol: Protocol
    at_once: bool = False  # else one after the other
    standby: bool = False  # each only when the pool of standbys is full
    figure: str = "p50_ms"  # what is compared, and asked
    times_workerd_max: float | None = None
    ms_max: float | None = None


CASES = (
    Case("at once, WebSocket", "cold", "websocket", True, figure="total_ms", times_workerd_max=0.5),
    Case("one by one, WebSocket", "cold", "websocket", times_workerd_max=1.0),
    Case("at once, HTTP", "cold", "http", True, figure="total_ms"),
    Case("one by one, HTTP", "cold", "http"),
    Case("a process each, one by one", "coldalone", "websocket", standby=True, ms_max=15.0),
)


@dataclass(frozen=True)
class Run:
    """What the visits of a case took in one round."""

    round: int
    visits: int
    total_ms: float  # from the first connect to the last answer
    p50_ms: float
    p99_ms: float
    max_ms: float
    others_cpu: float  # cores that other processes of the machine used meanwhile


@dataclass
class Outcome:
    """All runs, by case and peer."""

    rooms: int
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, case: Case, peer: str, run: Run) -> None:
        """Keep a run and show it."""
        self.runs.setdefault((case.name, peer), []).append(run)
        busy = f", others {run.others_cpu:.0%}"
        _say(
            f"  {case.name:<28}{run.total_ms:>9,.0f} ms in all   p50 {run.p50_ms:>8,.2f}"
            f"   p99 {run.p99_ms:>8,.2f}   max {run.max_ms:>8,.2f} ms{busy}"
        )


def measure_workerd(outcome: Outcome, round_number: int) -> None:
    """One round of workerd: its objects are cold by being new."""
    peer = WorkerdServer(FOLDER)
    try:
        url = peer.start()
        for case in CASES:
            if not case.standby:
                urls = [room_url(url, room) for room in rooms_of(case, outcome.rooms, round_number)]
                outcome.add(case, "workerd", _timed(case, urls, round_number))
    finally:
        peer.stop()


def measure_parlour(outcome: Outcome, round_number: int) -> None:
    """One round of Parlour: before each case its pool is as after the start."""
    peer = ParlourOverValkey(FOLDER)
    actors = None
    try:
        url = peer.start("--max-live-rooms", str(LIVE_ROOMS_MAX))
        actors = RoomActors(peer.redis_url)
        before: list[RoomKey] = []
        for case in CASES:
            actors.wait_for_sleep(before)
            rooms = rooms_of(case, ALONE_ROOMS if case.standby else outcome.rooms, round_number)
            urls = [room_url(url, room) for room in rooms]
            run = (
                _paced(case, urls, rooms, actors, round_number)
                if case.standby
                else _timed(case, urls, round_number)
            )
            outcome.add(case, "parlour", run)
            before = rooms
    finally:
        if actors is not None:
            actors.close()
        left = peer.stop()
    if left:
        outcome.problems.append(f"parlour left {left} processes behind; they were killed")


def rooms_of(case: Case, count: int, round_number: int) -> list[RoomKey]:
    """The rooms of a case: names that were not used before."""
    kind = f"{case.protocol}-{'at-once' if case.at_once else 'one-by-one'}"
    return [RoomKey(case.party, f"{kind}-{round_number}-{index}") for index in range(count)]


def room_url(url: str, room: RoomKey) -> str:
    """Where a room is."""
    return url.replace("{party}", room.party).replace("{room}", room.id)


def _timed(case: Case, urls: Sequence[str], round_number: int) -> Run:
    """All visits; their sockets stay open until the last has its answer."""
    with _quiet() as meter:
        visits = visit_all(urls, case.protocol, at_once=len(urls) if case.at_once else 1)
        return _summary(visits, meter, round_number)


def _paced(
    case: Case, urls: list[str], rooms: list[RoomKey], actors: RoomActors, round_number: int
) -> Run:
    """One visit at a time, whenever the pool is full."""
    visits: list[Visit] = []
    with _quiet() as meter:
        for index, url in enumerate(urls):
            actors.wait_for_standbys(rooms[:index])
            visits += visit_all([url], case.protocol, at_once=1)
        return _summary(visits, meter, round_number)


class _quiet:
    """No garbage collection in here, which would look like a slow server."""

    def __enter__(self) -> CpuMeter:
        gc.collect()
        gc.disable()
        return CpuMeter()

    def __exit__(self, *_: object) -> None:
        gc.enable()


def _summary(visits: list[Visit], meter: CpuMeter, round_number: int) -> Run:
    others_cpu = meter.stop().others
    for visit in visits:
        visit.close()
    for visit in visits:
        if visit.answer != FRESH:
            raise BadAnswer(f"{visit.url} was not new: it has handled {visit.answer}")
    took_ms = sorted(visit.latency_ns / 1e6 for visit in visits)
    began_ns = min(visit.began_ns for visit in visits)
    ended_ns = max(visit.began_ns + visit.latency_ns for visit in visits)
    return Run(
        round=round_number,
        visits=len(visits),
        total_ms=(ended_ns - began_ns) / 1e6,
        p50_ms=median(took_ms),
        p99_ms=took_ms[min(len(took_ms) - 1, round(0.99 * len(took_ms)))],
        max_ms=took_ms[-1],
        others_cpu=others_cpu,
    )


def table(outcome: Outcome) -> str:
    """A line per case and peer: medians over the rounds, and what was asked."""
    heads = ("in all ms", "p50 ms", "min - max", "p99 ms", "max ms", "others")
    lines = [f"Waking: {outcome.rooms} rooms that were never live; {report.machine_line()}"]
    for case in CASES:
        lines += ["", f"{case.name:<30}" + "".join(f"{head:>14}" for head in heads)]
        for peer in ("workerd", "parlour"):
            runs = outcome.runs.get((case.name, peer))
            if runs:
                lines.append(f"  {peer:<28}" + "".join(f"{cell:>14}" for cell in _cells(runs)))
        lines += [f"  {verdict}" for verdict in _verdicts(case, outcome)]
    return "\n".join([*lines, "", *(f"PROBLEM: {problem}" for problem in outcome.problems)])


def _cells(runs: list[Run]) -> Iterator[str]:
    p50s = [run.p50_ms for run in runs]
    yield f"{median(run.total_ms for run in runs):,.0f}"
    yield f"{median(p50s):,.2f}"
    yield f"{min(p50s):,.1f} - {max(p50s):,.1f}"
    yield f"{median(run.p99_ms for run in runs):,.1f}"
    yield f"{median(run.max_ms for run in runs):,.1f}"
    yield f"{max(run.others_cpu for run in runs):.0%}"


def ratio(case: Case, outcome: Outcome) -> float | None:
    """Parlour's figure over workerd's, the median of the rounds' own ratios."""
    ours, theirs = (
        {run.round: getattr(run, case.figure) for run in outcome.runs.get((case.name, peer), ())}
        for peer in ("parlour", "workerd")
    )
    found = ratio_of(ours, theirs)
    return found.median if found else None


def _verdicts(case: Case, outcome: Outcome) -> Iterator[str]:
    name = case.figure.removesuffix("_ms").replace("total", "in all")
    times = ratio(case, outcome)
    if times is not None:
        asked = case.times_workerd_max
        verdict = "" if asked is None else f"; asked: at most {asked:g}: {_met(times <= asked)}"
        yield f"{name}: {times:.2f} x workerd{verdict}"
    runs = outcome.runs.get((case.name, "parlour"))
    if case.ms_max is not None and runs:
        reached = median(run.p50_ms for run in runs)
        yield f"asked: {name} under {case.ms_max:g} ms: {_met(reached < case.ms_max)}"


def _met(reached: bool) -> str:
    return "met" if reached else "missed"


def write_json(outcome: Outcome) -> str:
    """All runs; the path below the checkout."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "wake.json"
    cases: list[dict[str, Any]] = [
        {
            **asdict(case),
            "times_workerd": ratio(case, outcome),
            "runs": {
                peer: [asdict(run) for run in runs]
                for (name, peer), runs in outcome.runs.items()
                if name == case.name
            },
        }
        for case in CASES
    ]
    content = {
        **report.circumstances(),
        "versions": {
            "workerd": WorkerdServer(FOLDER).versions(),
            "parlour": ParlourOverValkey(FOLDER).versions(),
        },
        "rooms": outcome.rooms,
        "cases": cases,
        "problems": outcome.problems,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return str(path.relative_to(ROOT))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write the JSON: 0 when all could be measured, whatever the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_wake")
    parser.add_argument("--rooms", type=int, default=500, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    options = parser.parse_args(arguments)
    outcome = Outcome(options.rooms)
    FOLDER.mkdir(parents=True, exist_ok=True)
    peers = itertools.cycle([measure_workerd, measure_parlour])
    for number in range(1, options.rounds + 1):
        next(peers)  # each round begins with the other one
        for measure in (next(peers), next(peers)):
            _say(f"wake, round {number} of {options.rounds}: {measure.__name__}")
            try:
                measure(outcome, number)
            except (BadAnswer, PeerFailed, OSError) as error:
                outcome.problems.append(str(error))
                _say(f"  PROBLEM: {error}")
    print(table(outcome), f"\nAll runs: {write_json(outcome)}\n", flush=True)
    return 1 if outcome.problems else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
