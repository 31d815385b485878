"""Room actors from outside: which there are, which have rooms, what memory they use.

A benchmark that needs a standby asks here whether there is one, of the server that rooms are
claimed in: a room actor that keeps a lease and owns no room is a standby.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import redis
from parlour.actors.messages import RoomKey
from parlour.runtime.settings import ManagerSettings
from parlour.storage.keys import OWNER, lease_key, metadata_key

from benchmarks.peers.process import PeerFailed, descendants

STANDBYS = ManagerSettings.standbys
POLL_S = 0.02
PATIENCE_S = 90.0
SETTLED_S = 5.0  # without memory being given back
ROOM_ACTOR, GATEWAY = "ray::RayRoomActor", "ray::RayGateway"


class RoomActors:
    """Those of one Parlour, by what its server at `url` knows."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True)

    def running(self) -> set[str]:
        """The room actors that are up."""
        prefix = lease_key("")
        return {key.removeprefix(prefix) for key in self._redis.scan_iter(prefix + "*", count=5000)}

    def owners(self, rooms: Iterable[RoomKey]) -> Counter[str]:
        """Those that have any of the given rooms, and how many."""
        pipeline = self._redis.pipeline(transaction=False)
        for room in rooms:
            pipeline.hget(metadata_key(room.space), OWNER)
        return Counter(owner for owner in pipeline.execute() if owner)

    def wait_for_standbys(self, rooms: Iterable[RoomKey]) -> None:
        """Return when the pool is full and nothing is being started, given every room there is."""
        rooms = list(rooms)
        wait(
            lambda: len(self.running() - self.owners(rooms).keys()) == STANDBYS,
            f"there were never {STANDBYS} standbys",
        )

    def wait_for_sleep(self, rooms: Iterable[RoomKey]) -> None:
        """Return when none of the rooms is live and only the standbys are left."""
        rooms = list(rooms)
        wait(
            lambda: not self.owners(rooms) and len(self.running()) == STANDBYS,
            f"the rooms did not all hibernate, or more than {STANDBYS} room actors stayed",
        )

    def used_memory_bytes(self) -> int:
        """What the server uses."""
        return int(self._redis.info("memory")["used_memory"])

    def close(self) -> None:
        """Give the connection back."""
        self._redis.close()


def wait(ready: Callable[[], bool], otherwise: str) -> None:
    """Ask until it is so, twice in a row: what has just changed may not be known everywhere.

    Raises:
        PeerFailed: It was not so within `PATIENCE_S`.
    """
    end, in_a_row = time.monotonic() + PATIENCE_S, 0
    while in_a_row < 2:
        if time.monotonic() > end:
            raise PeerFailed(f"{otherwise} within {PATIENCE_S:.0f} s")
        in_a_row = in_a_row + 1 if ready() else 0
        time.sleep(POLL_S)


def processes(title: str) -> Iterator[int]:
    """Ids of our descendants whose command line starts so (Ray writes what they are there)."""
    for pid in descendants(os.getpid()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        if command.startswith(title.encode()):
            yield pid


def unique_bytes(pid: int) -> int:
    """Memory that no other process shares: what would be free if this one ended."""
    return _sum_of(f"/proc/{pid}/smaps_rollup", ("Private_Clean:", "Private_Dirty:"))


def resident_bytes(pid: int) -> int:
    """Resident memory."""
    return _sum_of(f"/proc/{pid}/status", ("VmRSS:",))


def settled_bytes(pid: int) -> int:
    """Resident memory once it falls no more: collectors give back what they find in their time."""
    least, since_s = resident_bytes(pid), time.monotonic()
    while time.monotonic() - since_s < SETTLED_S:
        time.sleep(SETTLED_S / 10)
        now = resident_bytes(pid)
        if now < 0.99 * least:
            least, since_s = now, time.monotonic()
    return min(least, resident_bytes(pid))


def _sum_of(path: str, names: tuple[str, ...]) -> int:
    lines = Path(path).read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(names))
