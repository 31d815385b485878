"""Those who follow a node's rooms, each with what it asked for and has not fetched yet. Pure.

Each has a ring of `RING_SEEN_MAX`; past it the oldest are dropped and counted. One that does not
come for `SILENCE_S` is forgotten: whoever followed is gone, and rooms need not be watched for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from ..actors.watch import Seen, SeenBatch, Watching

FOLLOWERS_MAX = 16
RING_SEEN_MAX = 5000
SILENCE_S = 10.0


class TooManyFollowers(Exception):
    """So many follow this node already that one more is not let in."""


class UnknownFollower(LookupError):
    """One that this node does not know, or has forgotten: it has to follow again."""


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to see; what is empty or None does not matter."""

    party: str | None = None
    room: str | None = None
    kinds: frozenset[str] = frozenset()
    contents: bool = False

    def includes(self, seen: Seen) -> bool:
        """Whether it is to be shown."""
        return (
            (not self.kinds or seen.kind in self.kinds)
            and (self.party is None or seen.party == self.party)
            and (self.room is None or seen.room == self.room)
        )


class Follower:
    """One of them."""

    def __init__(self, wanted: Wanted, now_s: float) -> None:
        self.wanted = wanted
        self.came_s = now_s
        self.dropped = 0
        self.ring: deque[Seen] = deque()


class Followers:
    """All of them, by the ids that they chose."""

    def __init__(self) -> None:
        self._followers: dict[str, Follower] = {}

    def __repr__(self) -> str:
        return f"<Followers: {len(self._followers)}>"

    @property
    def watching(self) -> Watching:
        """What room actors have to note for them."""
        wanted = [follower.wanted for follower in self._followers.values()]
        return Watching(bool(wanted), any(each.contents for each in wanted))

    def add(self, follower_id: str, wanted: Wanted, now_s: float) -> None:
        """Somebody follows.

        Raises:
            TooManyFollowers: If `FOLLOWERS_MAX` do already.
        """
        if follower_id not in self._followers and len(self._followers) >= FOLLOWERS_MAX:
            raise TooManyFollowers(
                f"{FOLLOWERS_MAX} follow this node already; end one of them, or wait "
                f"{SILENCE_S:.0f} s if it has ended"
            )
        self._followers[follower_id] = Follower(wanted, now_s)

    def remove(self, follower_id: str) -> None:
        """Somebody does not follow any more."""
        self._followers.pop(follower_id, None)

    def expire(self, now_s: float) -> None:
        """Forget those that do not come any more."""
        self._followers = {
            follower_id: follower
            for follower_id, follower in self._followers.items()
            if now_s - follower.came_s < SILENCE_S
        }

    def offer(self, seen: Iterable[Seen], dropped: int) -> None:
        """Keep what was seen for whoever wants it."""
        seen = list(seen)
        for follower in self._followers.values():
            follower.dropped += dropped
            for each in seen:
                if follower.wanted.includes(each):
                    self._keep(follower, each)

    def _keep(self, follower: Follower, seen: Seen) -> None:
        if len(follower.ring) >= RING_SEEN_MAX:
            follower.ring.popleft()
            follower.dropped += 1
        if seen.text and not follower.wanted.contents and seen.kind not in ("log", "error"):
            # Another follower wants contents, this one does not.
            seen = Seen(
                seen.kind,
                seen.at_s,
                seen.party,
                seen.room,
                seen.who,
                seen.size_bytes,
                seen.duration_s,
            )
        follower.ring.append(seen)

    def take(self, follower_id: str, now_s: float) -> SeenBatch:
        """What is there for one of them, oldest first; it may be nothing.

        Raises:
            UnknownFollower: If it has to follow again.
        """
        follower = self._followers.get(follower_id)
        if follower is None:
            raise UnknownFollower(f"nobody follows under the name {follower_id!r}")
        follower.came_s = now_s
        batch = SeenBatch(list(follower.ring), follower.dropped)
        follower.ring.clear()
        follower.dropped = 0
        return batch
