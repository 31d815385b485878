"""Who used the processors during a measurement: the peer, the load generator, somebody else.

All processes of a peer descend from the harness (orphans come back to it as their subreaper, see
peers/process.py), so whatever else ran was somebody else's and made the figures worse.
"""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Shares:
    """Processor time in cores: 1.0 is one core, all the time."""

    peer: float
    others: float  # other processes of the machine, and what its hypervisor gave to others


class CpuMeter:
    """Counts from its making to `stop`, during which one load generator runs and is waited for."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._machine_s, self._ours_s, self._waited_for_s = _now()

    def stop(self) -> Shares:
        """What was used since the start."""
        wall_s = time.monotonic() - self._start_s
        machine_s, ours_s, waited_for_s = _now()
        ours = ours_s - self._ours_s
        return Shares(
            peer=max(0.0, ours - (waited_for_s - self._waited_for_s)) / wall_s,
            others=max(0.0, machine_s - self._machine_s - ours) / wall_s,
        )


def _now() -> tuple[float, float, float]:
    """Processor seconds so far: of the machine, of us with all descendants, of ended children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return _machine_s(), _tree_s(os.getpid()), children.ru_utime + children.ru_stime


def _machine_s() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, _irq, _softirq, steal = map(int, fields[:8])
    return (user + nice + system + steal) / TICKS_PER_S


def _tree_s(root: int) -> float:
    """Of a process and its descendants, those that have ended and were waited for included."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, tail = path.read_text().rpartition(")")  # a name may hold anything
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        fields = tail.split()
        pid = int(head.split(" ", 1)[0])
        children.setdefault(int(fields[1]), []).append(pid)
        seconds[pid] = sum(map(int, fields[11:15])) / TICKS_PER_S
    total, waiting = 0.0, [root]
    while waiting:
        pid = waiting.pop()
        total += seconds.get(pid, 0.0)
        waiting += children.get(pid, ())
    return total
