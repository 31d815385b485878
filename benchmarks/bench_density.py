"""Density: what a live room costs, and a hibernated one whose client is still there.

    python -m benchmarks.bench_density --rooms 10000

Every room has one WebSocket, has handled one message and stored one key. Live rooms: memory that
their processes have over an empty one's. Hibernated rooms: what the process that holds the
sockets has grown by; of Parlour that is the gateway, and no room actor but the standbys may be
left. Some rooms are asked again at the end: they must have hibernated, and still answer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import mean

from parlour.actors.messages import RoomKey

from benchmarks import report
from benchmarks.bench_wake import room_url
from benchmarks.client import BadAnswer
from benchmarks.cpu import CpuMeter
from benchmarks.files import OTHER_FILES, raise_file_limit
from benchmarks.harness import FOLDER, ROOT
from benchmarks.peers.parlour_server import ParlourOverValkey
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.workerd import HibernatingWorkerdServer, WorkerdServer
from benchmarks.room_actors import (
    GATEWAY,
    ROOM_ACTOR,
    STANDBYS,
    RoomActors,
    processes,
    resident_bytes,
    settled_bytes,
    unique_bytes,
    wait,
)
from benchmarks.visits import Answer, Visit, say_again, visit_all

LOOKS = 10  # at the memory while rooms are filled
AT_ONCE = 100  # clients that are on their way in
ASKED_AGAIN = 100  # rooms, at the end
PROBE_S = 2.0  # between two looks whether workerd's objects hibernate
PROBES_MAX = 45
WORKERD_FILES_PER_ROOM = 6  # its socket and the files of its database
LIVE_BYTES_MAX, SOCKET_BYTES_MAX = 100_000, 12_000  # asked
LIVE_ROOM = "a live room"
ASKED_OF_WORKERD = {LIVE_ROOM: 1 / 3}  # at most so many times


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    peer: str
    value: float
    unit: str
    at_most: float | None = None  # what was asked, if anything was

    def __str__(self) -> str:
        line = f"{self.name:<44}{self.peer:<10}{self.value:>12,.1f} {self.unit:<8}"
        if self.at_most is None:
            return line.rstrip()
        verdict = "met" if self.value <= self.at_most else "missed"
        return f"{line} asked: at most {self.at_most:g}: {verdict}"


@dataclass
class Outcome:
    """All figures."""

    rooms: int
    figures: list[Figure] = field(default_factory=list)
    growth: dict[str, list[tuple[int, float]]] = field(default_factory=dict)  # rooms, MB
    problems: list[str] = field(default_factory=list)

    def add(
        self, name: str, peer: str, value: float, unit: str, at_most: float | None = None
    ) -> None:
        """Keep a figure and show it."""
        self.figures.append(Figure(name, peer, value, unit, at_most))
        _say(f"  {self.figures[-1]}")


def live_in_parlour(outcome: Outcome) -> None:
    """Live rooms of Parlour."""
    with _Parlour(outcome) as parlour:
        empty = mean(unique_bytes(pid) for pid in processes(ROOM_ACTOR))
        visits = _fill(outcome, "live-parlour", parlour.urls("dense"), parlour.memory)
        actors, owners = list(processes(ROOM_ACTOR)), parlour.actors.owners(parlour.rooms("dense"))
        grown = sum(unique_bytes(pid) for pid in actors) - len(actors) * empty
        outcome.add("an empty room actor", "parlour", empty / 1e6, "MB")
        outcome.add("rooms that are live", "parlour", owners.total(), "")
        outcome.add("room actors with rooms", "parlour", len(owners), "")
        live = grown / owners.total() / 1e3
        outcome.add(LIVE_ROOM, "parlour", live, "kB", LIVE_BYTES_MAX / 1e3)
        gateway = (settled_bytes(parlour.gateway) - parlour.gateway_bytes) / outcome.rooms / 1e3
        outcome.add("  its socket in the gateway", "parlour", gateway, "kB")
        stored = parlour.actors.used_memory_bytes() - parlour.stored_bytes
        outcome.add("  its storage in Valkey", "parlour", stored / outcome.rooms / 1e3, "kB")
        _ask_again(outcome, visits, Answer(handled=2, count=2))


def asleep_in_parlour(outcome: Outcome) -> None:
    """Hibernated rooms of Parlour whose sockets are open."""
    with _Parlour(outcome) as parlour:
        visits = _fill(outcome, "asleep-parlour", parlour.urls("asleep"), parlour.memory)
        awake_s = time.monotonic()
        parlour.actors.wait_for_sleep(parlour.rooms("asleep"))
        outcome.add("all hibernate after", "parlour", time.monotonic() - awake_s, "s")
        with contextlib.suppress(PeerFailed):  # then the figure says how many are left
            wait(lambda: len(list(processes(ROOM_ACTOR))) == STANDBYS, "they did not end")
        left = len(list(processes(ROOM_ACTOR))) - STANDBYS
        outcome.add("room actors beyond the standbys", "parlour", left, "", 0)
        grown = (settled_bytes(parlour.gateway) - parlour.gateway_bytes) / outcome.rooms
        at_most = SOCKET_BYTES_MAX / 1e3
        outcome.add("a hibernated room with a socket", "parlour", grown / 1e3, "kB", at_most)
        _ask_again(outcome, visits, Answer(handled=1, count=2))


def live_in_workerd(outcome: Outcome) -> None:
    """Live Durable Objects: their sockets are taken with accept(), which keeps them in memory."""
    peer = WorkerdServer(FOLDER)
    try:
        urls = _urls(peer.start(), "cold", _workerd_rooms(outcome))
        before = _warm_up(peer, urls)
        visits = _fill(outcome, "live-workerd", urls, lambda: resident_bytes(peer.pid))
        grown = (settled_bytes(peer.pid) - before) / len(urls)
        outcome.add(LIVE_ROOM, "workerd", grown / 1e3, "kB")
        _ask_again(outcome, visits, Answer(handled=2, count=2))
    finally:
        peer.stop()


def asleep_in_workerd(outcome: Outcome) -> None:
    """Durable Objects with the hibernation API, when they have left the memory."""
    peer = HibernatingWorkerdServer(FOLDER)
    try:
        urls = _urls(peer.start(), "cold", _workerd_rooms(outcome))
        before = _warm_up(peer, urls)
        visits = _fill(outcome, "asleep-workerd", urls, lambda: resident_bytes(peer.pid))
        awake_s = time.monotonic()
        _wait_for_sleep(visits)
        outcome.add("all hibernate after", "workerd", time.monotonic() - awake_s, "s")
        grown = (settled_bytes(peer.pid) - before) / len(urls)
        outcome.add("a hibernated room with a socket", "workerd", grown / 1e3, "kB")
        _ask_again(outcome, visits[:-PROBES_MAX], Answer(handled=1, count=2))
    finally:
        peer.stop()


STAGES: dict[str, Callable[[Outcome], None]] = {
    "live-workerd": live_in_workerd,
    "live-parlour": live_in_parlour,
    "asleep-workerd": asleep_in_workerd,
    "asleep-parlour": asleep_in_parlour,
}


class _Parlour:
    """A running Parlour with nothing in it yet, and what its processes use then."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._peer = ParlourOverValkey(FOLDER)

    def __enter__(self) -> _Parlour:
        try:
            self._url = self._peer.start("--max-live-rooms", str(2 * self._outcome.rooms))
            self.actors = RoomActors(self._peer.redis_url)
            self.actors.wait_for_standbys([])
            [self.gateway] = processes(GATEWAY)
        except BaseException:
            self._peer.stop()
            raise
        self.gateway_bytes = resident_bytes(self.gateway)
        self.stored_bytes = self.actors.used_memory_bytes()
        return self

    def __exit__(self, *_: object) -> None:
        self.actors.close()
        if left := self._peer.stop():
            self._outcome.problems.append(f"parlour left {left} processes behind; killed")

    def memory(self) -> int:
        """What the gateway and all room actors use, the standbys among them."""
        actors = sum(unique_bytes(pid) for pid in processes(ROOM_ACTOR))
        return actors + resident_bytes(self.gateway)

    def rooms(self, party: str) -> list[RoomKey]:
        """The rooms of a stage."""
        return _rooms(party, self._outcome.rooms)

    def urls(self, party: str) -> list[str]:
        """Where they are."""
        return _urls(self._url, party, self._outcome.rooms)


def _rooms(party: str, count: int) -> list[RoomKey]:
    return [RoomKey(party, f"room-{number}") for number in range(count)]


def _urls(url: str, party: str, count: int) -> list[str]:
    return [room_url(url, room) for room in _rooms(party, count)]


def _workerd_rooms(outcome: Outcome) -> int:
    """Fewer than asked for where the system does not allow as many open files as they need."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES
    rooms = min(outcome.rooms, files // WORKERD_FILES_PER_ROOM)
    outcome.add("rooms, as the limit of open files allows", "workerd", rooms, "")
    return rooms


def _warm_up(peer: WorkerdServer, urls: Sequence[str]) -> int:
    """Have the Worker's code loaded and compiled; the memory of the process then."""
    for visit in visit_all([url + "-before" for url in urls[:10]], "websocket", at_once=1):
        visit.close()
    return resident_bytes(peer.pid)


def _fill(
    outcome: Outcome, stage: str, urls: Sequence[str], memory: Callable[[], int]
) -> list[Visit]:
    """Visit all, and look ten times on the way how far the memory of the server has grown."""
    began_s, before = time.monotonic(), memory()
    growth = outcome.growth.setdefault(stage, [])
    done, step = 0, max(1, len(urls) // LOOKS)

    def show(visit: Visit) -> None:
        nonlocal done
        done += 1
        if done % step == 0:
            growth.append((done, (memory() - before) / 1e6))
            _say(f"  {done:,} rooms, {done / (time.monotonic() - began_s):,.0f} a second")

    meter, peer = CpuMeter(), stage.partition("-")[2]
    visits = visit_all(urls, "websocket", at_once=AT_ONCE, on_done=show)
    rate = len(urls) / (time.monotonic() - began_s)
    outcome.add(f"new rooms a second, {AT_ONCE} clients at once", peer, rate, "/s")
    outcome.add("  others' use of the machine meanwhile", peer, meter.stop().others, "cores")
    return visits


def _wait_for_sleep(visits: Sequence[Visit]) -> None:
    """Ask another room each time, as asking wakes; the last ones, which were busy last."""
    for visit in visits[: -PROBES_MAX - 1 : -1]:
        time.sleep(PROBE_S)  # nothing else tells that an object has left the memory
        if say_again(visit).handled == 1:
            return
    raise PeerFailed(f"workerd's objects had not hibernated after {PROBES_MAX * PROBE_S:.0f} s")


def _ask_again(outcome: Outcome, visits: Sequence[Visit], due: Answer) -> None:
    """Ask some rooms once more: stored is all, and they slept, or did not, as the stage asks."""
    others = 0
    for visit in random.sample(visits, min(len(visits), ASKED_AGAIN)):
        answer = say_again(visit)
        others += answer.handled != due.handled
        if answer.count != due.count:
            outcome.problems.append(f"{visit.url} has stored {answer.count}, due is {due.count}")
    if others:
        slept = "had not slept" if due.handled == 1 else "were reset or slept"
        outcome.problems.append(f"{others} of {ASKED_AGAIN} rooms that were asked again {slept}")
    for visit in visits:
        visit.close()


def write_json(outcome: Outcome) -> str:
    """All figures; the path below the checkout."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "density.json"
    content = {
        **report.circumstances(),
        "versions": {
            "workerd": WorkerdServer(FOLDER).versions(),
            "parlour": ParlourOverValkey(FOLDER).versions(),
        },
        "rooms": outcome.rooms,
        "asked_of_workerd": ASKED_OF_WORKERD,
        "growth": outcome.growth,
        "figures": [asdict(figure) for figure in outcome.figures],
        "problems": outcome.problems,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return str(path.relative_to(ROOT))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write the JSON: 0 when all could be measured, whatever the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_density")
    parser.add_argument("--rooms", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--stages", default=",".join(STAGES), help="default: %(default)s")
    options = parser.parse_args(arguments)
    outcome = Outcome(options.rooms)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in options.stages.split(","):
        _say(f"density: {name}, {options.rooms:,} rooms")
        try:
            raise_file_limit(WORKERD_FILES_PER_ROOM * options.rooms, options.rooms + OTHER_FILES)
            STAGES[name](outcome)
        except (BadAnswer, PeerFailed, OSError) as error:
            outcome.problems.append(f"{name}: {error}")
            _say(f"  PROBLEM: {error}")
    print(f"Density: {options.rooms:,} rooms, one socket each; {report.machine_line()}\n")
    for figure in sorted(outcome.figures, key=lambda figure: figure.name.strip()):
        print(figure)
    print(*(f"PROBLEM: {problem}" for problem in outcome.problems), sep="\n")
    print(f"All figures: {write_json(outcome)}\n", flush=True)
    return 1 if outcome.problems else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
