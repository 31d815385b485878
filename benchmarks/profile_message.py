"""Where the time of a message goes: CPU of each process for each message of an echo.

    python -m benchmarks.profile_message

Runs `parlour dev` and a load of echoes, and reads from /proc what each process used, in its own
code and in the kernel. What the threads did besides comes from py-spy, where it is installed
(`pip install py-spy`; as root): the parts of the gateway and the room actor. The answer goes to
build/bench/message.json, and from there into the tables of docs/performance.md, between its two
marks. On a busy machine the figures are too high.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness, report
from benchmarks.cpu import TICKS_PER_S
from benchmarks.harness import FOLDER, ROOT, Case, Settings
from benchmarks.peers.parlour_server import ParlourServer
from benchmarks.peers.process import PeerFailed, descendants
from benchmarks.room_actors import GATEWAY, ROOM_ACTOR, processes

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
CASES = (
    Case("1 client", "echo", "echo", sockets=1),
    Case("50 clients", "echo", "echo", sockets=50),
)
MARGIN_S = 0.5  # thrice: after the warm-up, to find the room actor, and before the end
PARTS_MAX = 12  # lines of py-spy's answer that are shown
SAMPLES_PER_S = 500
SPIED, OTHERS = ("gateway", "room actor"), "others: Ray, Valkey, manager"
LOAD = b"benchmarks.load"  # in the command line of the load generator
SPY = shutil.which("py-spy")


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU for each message."""

    who: str
    user_us: float
    kernel_us: float


@dataclass(frozen=True)
class Profile:
    """One load."""

    case: str
    per_second: float
    p50_us: float
    costs: list[Cost]
    parts: dict[str, dict[str, float]]  # of a process: its share in each function, by py-spy


def profile(url: str, case: Case, seconds: float) -> Profile:
    """Drive the load; look at the processes in its steady part.

    Raises:
        PeerFailed: The load failed.
    """
    settings = Settings(("parlour",), 1, seconds, 1.0)
    steady_s = max(0.1, seconds - 3 * MARGIN_S)
    with ThreadPoolExecutor(1) as pool:
        looked = pool.submit(look, settings.warmup_s + MARGIN_S, steady_s)
        run = harness.measure(case, url, settings, 1)
        cores, parts = looked.result()
    own, kernel = run["cpu"] - run["cpu_kernel"], run["cpu_kernel"]
    cores["load generator"] = (own, kernel)
    rate = run["per_second"] / 1e6
    costs = [Cost(name, user / rate, kernel / rate) for name, (user, kernel) in cores.items()]
    return Profile(case.name, run["per_second"], run["p50_us"], costs, parts)


def look(
    after_s: float, for_s: float
) -> tuple[dict[str, tuple[float, float]], dict[str, dict[str, float]]]:
    """What each process used, in cores, in its own code and in the kernel; and py-spy's shares."""
    time.sleep(after_s)
    names = named_processes()
    before, began_s = {pid: _ticks(pid) for pid in names}, time.monotonic()
    spies = {name: _Spy(pid, for_s) for pid, name in names.items() if name in SPIED and SPY}
    time.sleep(for_s)
    took_s = time.monotonic() - began_s
    cores: dict[str, tuple[float, float]] = {}
    for pid, name in names.items():
        user, kernel = (
            max(0, now - then) / TICKS_PER_S / took_s
            for now, then in zip(_ticks(pid), before[pid], strict=True)
        )
        known = cores.get(name, (0.0, 0.0))
        cores[name] = (known[0] + user, known[1] + kernel)
    return cores, {name: spy.shares() for name, spy in spies.items()}


def named_processes() -> dict[int, str]:
    """All processes of the peer, by what they do for a message."""
    found = set(descendants(os.getpid()))
    generators = {pid for pid in found if LOAD in _command(pid)}
    names = dict.fromkeys(sorted(found - generators), OTHERS)
    before = {pid: sum(_ticks(pid)) for pid in processes(ROOM_ACTOR)}
    time.sleep(MARGIN_S)  # rooms of loads before this one have used more, but use nothing now
    busiest = max(before, key=lambda pid: sum(_ticks(pid)) - before[pid])
    names |= {pid: "gateway" for pid in processes(GATEWAY)}
    return names | {pid: "room actor" if pid == busiest else "standbys" for pid in before}


class _Spy:
    """py-spy on one process for a while, native frames too."""

    def __init__(self, pid: int, seconds: float) -> None:
        self._file = FOLDER / f"spied-{pid}.txt"
        options = ["--pid", str(pid), "--duration", str(max(1, round(seconds)))]
        how = ["--native", "--nonblocking", "--rate", str(SAMPLES_PER_S), "--format", "raw"]
        self._process = subprocess.Popen(
            ["py-spy", "record", *options, *how, "--output", str(self._file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def shares(self) -> dict[str, float]:
        """The share of each function in the samples, the largest first; empty if it failed."""
        if self._process.wait() or not self._file.exists():
            return {}
        shares = shares_of(self._file.read_text())
        self._file.unlink()
        return shares


def shares_of(folded: str) -> dict[str, float]:
    """Of folded stacks (`outer;inner 12`): how often each function was the innermost."""
    counts: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        counts[stack.rpartition(";")[2]] += int(count)
    total = counts.total()
    return {name: count / total for name, count in counts.most_common(PARTS_MAX)}


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""  # ended meanwhile


def _ticks(pid: int) -> tuple[int, int]:
    """Processor time so far, in its own code and in the kernel; none once the process has ended."""
    try:
        tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    return int(tail[11]), int(tail[12])


def tables(content: Mapping[str, Any]) -> Iterator[str]:
    """The part of the page that was measured."""
    machine = content["machine"]
    yield f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}; "
    yield f"{content['measured_at'][:10]}. µs of CPU for each message:\n"
    for one in content["profiles"]:
        yield f"**{one['case']}**: {one['per_second']:,.0f} echoes/s, p50 {one['p50_us']:,.0f} µs\n"
        yield "| where | own code | kernel | together |"
        yield "|---|--:|--:|--:|"
        user = kernel = 0.0
        for cost in one["costs"]:
            both = cost["user_us"] + cost["kernel_us"]
            user, kernel = user + cost["user_us"], kernel + cost["kernel_us"]
            parts = f"{cost['user_us']:.1f} | {cost['kernel_us']:.1f} | {both:.1f}"
            yield f"| {cost['who']} | {parts} |"
        yield f"| all | {user:.1f} | {kernel:.1f} | {user + kernel:.1f} |\n"
        for who, shares in one["parts"].items():
            if shares:
                most = ", ".join(f"`{name}` {share:.0%}" for name, share in shares.items())
                yield f"Innermost functions of the {who}: {most}\n"


def write_page(page: Path, content: Mapping[str, Any]) -> None:
    """Replace what is between the marks.

    Raises:
        ValueError: If the page has lost them.
    """
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN} and {END} to write between")
    page.write_text(before + "\n".join([BEGIN, *tables(content), END]) + after)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the JSON and the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile_message")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    options = parser.parse_args(arguments)
    path = FOLDER / "message.json"
    if not options.page:
        peer = ParlourServer(FOLDER)
        try:
            url = peer.start()
            profiles = [profile(url, case, options.seconds) for case in CASES]
        except PeerFailed as error:
            print(error, file=sys.stderr)
            return 1
        finally:
            peer.stop()
        content = report.circumstances() | {"profiles": [asdict(one) for one in profiles]}
        path.write_text(json.dumps(content, indent=1) + "\n")
    content = json.loads(path.read_text())
    write_page(PAGE, content)
    print("\n".join(tables(content)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
