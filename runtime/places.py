"""Places for rooms in room actors that are started already, as they are taken one by one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..actors.options import RoomOptions
from ..actors.resources import NO_RESOURCES, ActorResources


class Places:
    """Those of a node at one moment: in room actors that serve a party, and in standbys."""

    def __init__(
        self,
        options: Mapping[str, RoomOptions],
        shared: Counter[str],
        standbys: Counter[ActorResources],
    ) -> None:
        """`shared` has the places left beside rooms of each party."""
        self._options = options
        self._shared = shared
        self._standbys = standbys

    def __repr__(self) -> str:
        return f"<Places: {dict(self._shared)} shared, {self._standbys.total()} standbys>"

    def of(self, party: str) -> int:
        """How many rooms of a party there are places for, if no other party takes a standby."""
        per_actor, resources = self._asks(party)
        return self._shared[party] + self._standbys[resources] * per_actor

    def take(self, party: str) -> bool:
        """Take a place as the pool gives them: beside others first; False if there is none."""
        if not self._shared[party]:
            per_actor, resources = self._asks(party)
            if not self._standbys[resources]:
                return False
            self._standbys[resources] -= 1
            self._shared[party] += per_actor
        self._shared[party] -= 1
        return True

    def _asks(self, party: str) -> tuple[int, ActorResources]:
        options = self._options.get(party)
        return (
            (1, NO_RESOURCES) if options is None else (options.rooms_per_actor, options.resources)
        )
