"""What every room of a process shares, and how a room is claimed there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..storage import Backend, Claim, ClaimHeld
from .calls import Line
from .summoner import Summoner
from .watch import Watch

if TYPE_CHECKING:
    from .live_room import LiveRoom


@dataclass(frozen=True)
class Surroundings:
    """The process around its rooms."""

    backend: Backend
    owner: str  # this process, as the claims name it
    address: str
    clock: Callable[[], float]
    on_absent: Callable[[LiveRoom], None]
    wall_clock: Callable[[], float] = time.time  # the time of day, for alarms
    watch: Watch = field(default_factory=Watch)  # for operators who follow
    line: Line | None = None  # to other rooms
    summoner: Summoner | None = None  # None: there is no gateway but one
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # see Room.env

    async def claim(self, space: str) -> Claim:
        """Become the only writer of a space that nobody has, or whose owner's lease is gone.

        Raises:
            ClaimHeld: If somebody else holds it.
            StorageError: If the server does not answer.
        """
        try:
            return await self.backend.claim(space, owner=self.owner, address=self.address)
        except ClaimHeld as held:
            if await self.backend.lease_alive(held.owner):
                raise
            return await self.backend.claim(
                space, owner=self.owner, address=self.address, takeover_epoch=held.epoch
            )
