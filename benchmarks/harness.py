"""Runs a question: every case against every peer, in rounds, one server at a time.

Peers are interleaved (each round measures all of them, starting with another one), so that a
machine that slows down for a while slows down all of them. Each start is from empty storage.
Not here: what is measured (load.py), how the peers work (peers/), how it is shown (report.py).
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TypedDict

from benchmarks import report
from benchmarks.cpu import CpuMeter
from benchmarks.files import OTHER_FILES, raise_file_limit
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.registry import PEERS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "bench"
LOAD_EXTRA_S = 120.0  # over its measuring time, for a load generator to connect and to finish


class Run(TypedDict):
    """What the load generator prints (`load.Result`), and which round it was."""

    round: int
    per_second: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    cpu: float
    cpu_kernel: float  # of it
    saturated: bool
    peer_cpu: float  # these two in cores, over the whole run of the generator
    others_cpu: float


@dataclass(frozen=True)
class Case:
    """One load on one kind of room."""

    name: str
    work: str  # of load.py: "echo", "http" or "fanout"
    party: str
    sockets: int
    size_bytes: int = 64
    rooms: int = 1
    window: int = 1
    asked: dict[tuple[str, str], float] = field(default_factory=dict)  # peer, over peer: ratio
    asked_p50: dict[tuple[str, str], float] = field(default_factory=dict)  # the same of its p50
    figure: str = "per_second"  # what is compared; "max_us": the longest that anybody waited
    peers: Sequence[str] | None = None  # those that can do it; None: all of the question's


@dataclass(frozen=True)
class Question:
    """A benchmark: what is asked, of whom."""

    name: str
    title: str
    cases: Sequence[Case]
    peers: Sequence[str]


@dataclass(frozen=True)
class Settings:
    """How long and how often."""

    peers: Sequence[str]
    rounds: int
    seconds: float
    warmup_s: float


@dataclass
class Outcome:
    """All that a question's runs brought."""

    question: Question
    settings: Settings
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=dict)  # by case, peer
    versions: dict[str, dict[str, str]] = field(default_factory=dict)  # by peer
    problems: list[str] = field(default_factory=list)


def main(
    questions: Sequence[Question],
    arguments: Sequence[str] | None = None,
    *,
    ask: Callable[[Question, Settings], Outcome] | None = None,
    seconds_min: float = 0.0,
) -> int:
    """Command line of one or more questions: 0 when all was measured, whatever the figures.

    `ask` is for a question that is not asked as `run` does; `seconds_min` what it needs at least.
    """
    known = sorted(
        {peer for question in questions for peer in question.peers}, key=list(PEERS).index
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--peers", default=",".join(known), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement")
    parser.add_argument("--warmup", type=float, default=1.0, help="seconds before each")
    parser.add_argument("--quick", action="store_true", help="one round, a second each")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds, options.warmup = 1, 1.0, 0.3
    options.seconds = max(options.seconds, seconds_min)
    wanted = options.peers.split(",")
    if unknown := [peer for peer in wanted if peer not in known]:
        parser.error(f"no peer is called {unknown[0]!r}; there are {', '.join(known)}")
    settings = Settings(wanted, options.rounds, options.seconds, options.warmup)

    signal.signal(signal.SIGTERM, _exit)  # so that peers are stopped then, too
    problems = 0
    for question in questions:
        try:
            raise_file_limit(max(case.sockets for case in question.cases) + OTHER_FILES)
            outcome = (ask or run)(question, settings)
        except KeyboardInterrupt:
            say("\ninterrupted; everything that was started has been stopped")
            raise SystemExit(128 + signal.SIGINT) from None
        path = report.write_json(outcome, FOLDER)
        print(report.table(outcome), f"\nAll runs: {path.relative_to(ROOT)}\n", flush=True)
        problems += len(outcome.problems)
    return 1 if problems else 0


def run(question: Question, settings: Settings) -> Outcome:
    """Measure; what fails is written down and the rest goes on."""
    peers = [peer for peer in question.peers if peer in settings.peers]
    outcome = Outcome(question, settings)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for round_number in range(1, settings.rounds + 1):
        first = round_number % len(peers) if peers else 0
        for name in [*peers[first:], *peers[:first]]:
            say(f"{question.name}, round {round_number} of {settings.rounds}: starting {name}")
            peer = PEERS[name](FOLDER)
            try:
                url = peer.start()
                outcome.versions[name] = peer.versions()
                _measure_all(outcome, name, url, round_number)
            except PeerFailed as error:
                note_problem(outcome, str(error))
            finally:
                left = peer.stop()
            if left:
                note_problem(outcome, f"{name} left {left} processes behind; they were killed")
    return outcome


def _measure_all(outcome: Outcome, name: str, url: str, round_number: int) -> None:
    for case in outcome.question.cases:
        if case.peers is not None and name not in case.peers:
            continue
        print(f"  {case.name:<26}", end="", file=sys.stderr, flush=True)
        try:
            run = measure(case, url, outcome.settings, round_number)
        except PeerFailed as error:
            note_problem(outcome, f"{name}, {case.name}: {error}")
            continue
        outcome.runs.setdefault((case.name, name), []).append(run)
        say(report.line(run))


def measure(case: Case, url: str, settings: Settings, round_number: int) -> Run:
    """One run of the load generator against a peer, and who used the processors meanwhile.

    Raises:
        PeerFailed: The generator did not end, or the peer did not do the work; says what it did.
    """
    meter = CpuMeter()
    measured = _load(case, url.replace("{party}", case.party), settings)
    shares = meter.stop()
    return {
        **measured,
        "round": round_number,
        "peer_cpu": shares.peer,
        "others_cpu": shares.others,
    }


def _load(case: Case, url: str, settings: Settings) -> Run:
    """One run of the load generator, in a process of its own."""
    options = {
        "url": url,
        "sockets": case.sockets,
        "rooms": case.rooms,
        "size": case.size_bytes,
        "window": case.window,
        "seconds": settings.seconds,
        "warmup": settings.warmup_s,
        "room": f"{case.party}-{case.sockets}-{case.size_bytes}-{case.window}",
    }
    command = [sys.executable, "-m", "benchmarks.load", case.work]
    for option, value in options.items():
        command += [f"--{option}", str(value)]
    timeout_s = settings.seconds + settings.warmup_s + LOAD_EXTRA_S
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"the load generator did not end within {timeout_s:.0f} s") from None
    if done.returncode:
        raise PeerFailed(done.stderr.strip() or f"load generator: status {done.returncode}")
    measured: Run = json.loads(done.stdout)
    return measured


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


def note_problem(outcome: Outcome, text: str) -> None:
    """Say it, and keep it for the end."""
    if text not in outcome.problems:
        outcome.problems.append(text)
    say(f"  PROBLEM: {text}")


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
