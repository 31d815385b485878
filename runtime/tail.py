"""The hibernation manager's part in following a node: who follows, and what room actors are told.

Room actors note what happens only while somebody follows, and send it every tenth of a second. The
manager's own log lines are among it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from ..actors import messages
from ..actors.frames import Kind
from ..actors.watch import SEND_S, SeenBatch, Watch, Watching
from .actor_record import ActorRecord
from .followers import Followers, Wanted
from .pool import Pool

WAIT_S = 1.0  # for something to be there when a follower comes


class Tail:
    """Brings what was seen to those who follow."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._followers = Followers()
        self._told = Watching(False)
        self._own = Watch()
        self._news = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Tail {self._followers!r}>"

    def follow(self, follower_id: str, wanted: Wanted) -> None:
        """Show somebody from now on what it wants to see.

        Raises:
            TooManyFollowers: If `FOLLOWERS_MAX` do already.
        """
        self._followers.add(follower_id, wanted, time.monotonic())
        self._tell_all()

    def unfollow(self, follower_id: str) -> None:
        """It has seen enough."""
        self._followers.remove(follower_id)
        self._tell_all()

    async def take(self, follower_id: str) -> SeenBatch:
        """What there is to see for a follower; waits up to `WAIT_S` for something.

        Raises:
            UnknownFollower: If it has to follow again.
        """
        give_up_s = time.monotonic() + WAIT_S
        while True:
            self._look_at_own()
            batch = self._followers.take(follower_id, time.monotonic())
            left_s = give_up_s - time.monotonic()
            if batch.seen or batch.dropped or left_s <= 0:
                return batch
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, SEND_S)):
                    await self._news.wait()

    def look(self) -> None:
        """Forget followers that are gone; called now and then."""
        if self._told.on:
            self._followers.expire(time.monotonic())
            self._tell_all()

    def on_seen(self, batch: SeenBatch) -> None:
        """A room actor has seen something."""
        self._followers.offer(batch.seen, batch.dropped)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def actor_started(self, record: ActorRecord) -> None:
        """A room actor has come: if somebody follows, it has to know."""
        if self._told.on:
            record.tell(Kind.WATCH, messages.encode(self._told))

    def _look_at_own(self) -> None:
        batch = self._own.take()
        if batch is not None:
            self._followers.offer(batch.seen, batch.dropped)

    def _tell_all(self) -> None:
        watching = self._followers.watching
        if watching == self._told:
            return
        self._told = watching
        self._own.set(watching)
        for record in self._pool.actors.values():
            record.tell(Kind.WATCH, messages.encode(watching))
