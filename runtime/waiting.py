"""Gateways' questions that have no answer yet: their rooms wait for a room actor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from ..actors.link import Link
from ..actors.messages import RoomKey

WAITING_MAX = 10_000  # rooms that wait for a room actor
WAITING_TIMEOUT_S = 15.0  # shorter than a gateway waits for an answer: it shall hear why


class WaitingWake(NamedTuple):
    """A gateway's question."""

    link: Link
    number: int
    key: RoomKey
    since_s: float


class WaitingWakes:
    """Those that wait, oldest first. Pure."""

    def __init__(self) -> None:
        self._wakes: list[WaitingWake] = []
        self.by_party: Counter[str] = Counter()  # how many wait

    def __len__(self) -> int:
        return len(self._wakes)

    @property
    def full(self) -> bool:
        """Whether no more may wait."""
        return len(self._wakes) >= WAITING_MAX

    def add(self, wake: WaitingWake) -> None:
        """Let one wait."""
        self._wakes.append(wake)
        self.by_party[wake.key.party] += 1

    def serve(self, place: Callable[[WaitingWake], bool]) -> None:
        """Try each once: one that nothing can be done for does not hold up the others."""
        self._keep(wake for wake in self._wakes if not place(wake))

    def take_all(self) -> list[WaitingWake]:
        """All of them; none waits any more."""
        wakes = self._wakes
        self._keep(())
        return wakes

    def take(self, parties: Collection[str], count_max: int) -> list[WaitingWake]:
        """The first of some parties; they wait no more."""
        taken = [wake for wake in self._wakes if wake.key.party in parties][:count_max]
        self._keep(wake for wake in self._wakes if wake not in taken)
        return taken

    def forget(self, link: Link) -> None:
        """A gateway is gone."""
        self._keep(wake for wake in self._wakes if wake.link is not link)

    def expired(self, now_s: float) -> list[WaitingWake]:
        """Those that have waited too long; they wait no more."""
        oldest_s = now_s - WAITING_TIMEOUT_S
        gone = [wake for wake in self._wakes if wake.since_s < oldest_s]
        if gone:
            self._keep(wake for wake in self._wakes if wake.since_s >= oldest_s)
        return gone

    def _keep(self, wakes: Iterable[WaitingWake]) -> None:
        before = len(self._wakes)
        self._wakes = list(wakes)
        if len(self._wakes) != before:
            self.by_party = Counter(wake.key.party for wake in self._wakes)
