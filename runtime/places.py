"""Places for rooms in room actors that are started already, as they are taken one by one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ..actors.resources import ActorResources


class Places:
    """Those of a node at one moment: in room actors that serve a party, and in standbys."""

    def __init__(
        self,
        rooms_per_actor: Callable[[str], int],
        resources_of: Callable[[str], ActorResources],
        shared: Counter[str],
        standbys: Counter[ActorResources],
    ) -> None:
        """The first two tell of a party; `shared` has the places left beside rooms of each."""
        self._rooms_per_actor = rooms_per_actor
        self._resources_of = resources_of
        self._shared = shared
        self._standbys = standbys

    def __repr__(self) -> str:
        return f"<Places: {dict(self._shared)} shared, {self._standbys.total()} standbys>"

    def of(self, party: str) -> int:
        """How many rooms of a party there are places for, if no other party takes a standby."""
        standbys = self._standbys[self._resources_of(party)]
        return self._shared[party] + standbys * self._rooms_per_actor(party)

    def take(self, party: str) -> bool:
        """Take a place as the pool gives them: beside others first; False if there is none."""
        if not self._shared[party]:
            resources = self._resources_of(party)
            if not self._standbys[resources]:
                return False
            self._standbys[resources] -= 1
            self._shared[party] += self._rooms_per_actor(party)
        self._shared[party] -= 1
        return True
