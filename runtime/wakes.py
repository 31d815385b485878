"""Gateways' questions where a room is, at the hibernation manager of a node.

The answer is the room actor that has the room, a standby, or the manager of another node where this
one is short of something. What has no answer yet waits (`waiting.py`), and is told when it is in
vain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence

from ..actors import messages
from ..actors.frames import Kind, pack
from ..actors.link import Link
from ..actors.messages import Placed, RoomKey
from ..actors.resources import ActorResources
from .burial import Undertaker
from .demand import Demand
from .mover import RoomMover
from .placement import NodeLoad, elsewhere
from .pool import Pool
from .redirects import Redirects
from .waiting import WaitingWake, WaitingWakes

HURRY_S = 0.02  # from a room that finds no place to a look who could give one up
PEERS_STALE_S = 5.0  # what the other nodes said of themselves counts for so long


class Wakes:
    """Answers them."""

    def __init__(
        self,
        pool: Pool,
        mover: RoomMover,
        demand: Demand,
        undertaker: Undertaker,
        *,
        load: Callable[[], NodeLoad],
        fill: Callable[[], None],
        spawn: Callable[[Coroutine[None, None, None]], object],
    ) -> None:
        """`load` tells how things are on this node, `fill` starts room actors that are missing,
        `spawn` runs a coroutine as a task."""
        self.address = ""  # of this manager, as other nodes know it
        self._pool = pool
        self._mover = mover
        self._demand = demand
        self._undertaker = undertaker
        self._load = load
        self._fill = fill
        self._spawn = spawn
        self._waiting = WaitingWakes()
        self._redirects = Redirects()
        self._peers: Sequence[NodeLoad] = ()
        self._peers_heard_s = 0.0
        self._hurry: asyncio.TimerHandle | None = None
        self._stopping = False

    def __repr__(self) -> str:
        return f"<Wakes, {len(self)} waiting>"

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def by_party(self) -> Mapping[str, int]:
        """How many rooms of each party wait."""
        return self._waiting.by_party

    @property
    def plain(self) -> int:
        """How many wait whose parties ask for no resources."""
        rooms = self._waiting.by_party.items()
        return sum(count for party, count in rooms if not self._pool.resources_of(party))

    def stop(self) -> None:
        """No room has to hibernate any more for those that wait."""
        self._stopping = True

    # What is known of other nodes

    def redirect(self, key: RoomKey, manager_address: str, for_s: float) -> None:
        """See `HibernationManager.redirect`."""
        self._redirects.add(key, manager_address, time.monotonic() + for_s)

    def hear(self, peers: Sequence[NodeLoad]) -> None:
        """Learn what the other nodes say of themselves."""
        self._peers, self._peers_heard_s = peers, time.monotonic()

    def _elsewhere(self, key: RoomKey) -> str:
        """The manager of the other node on which a room should wake; empty if it is this one."""
        now_s = time.monotonic()
        peers_are_known = now_s - self._peers_heard_s < PEERS_STALE_S
        redirected = self._redirects.find(key, now_s)
        if redirected == self.address:
            return ""
        if peers_are_known and any(peer.manager_address == redirected for peer in self._peers):
            return redirected
        if self._pool.find(key) is not None or not peers_are_known:
            return ""
        other = elsewhere(self._load(), self._peers)
        return other.manager_address if other is not None else ""

    # Questions

    def answer(self, wake: WaitingWake, *, only_here: bool) -> None:
        """Answer a question, now or when it can be."""
        if self._waiting.full:
            self._tell(wake, Placed(error="too many rooms wait for a process"))
            return
        other = "" if only_here else self._elsewhere(wake.key)
        if other:
            self._tell(wake, Placed(elsewhere=other))
            return
        if self._undertaker.is_burying(wake.key):
            self._spawn(self._place_after_burial(wake))
        elif not self._place(wake):
            self._wait(wake)

    def serve(self) -> None:
        """Something may have become free: answer those that wait, as far as it goes."""
        self._waiting.serve(self._place)

    def begin_anew(self) -> None:
        """Ask all that wait once more where they should wake: it may not be here any longer."""
        for wake in self._waiting.take_all():
            self.answer(wake, only_here=False)

    def send_on(self, resources: ActorResources, manager_address: str) -> None:
        """A room actor with such resources serves rooms on another node: send on who waits."""
        options = self._pool.options
        parties = {party for party, each in options.items() if each.resources == resources}
        count_max = min((options[party].rooms_per_actor for party in parties), default=0)
        for wake in self._waiting.take(parties, count_max):
            self._tell(wake, Placed(elsewhere=manager_address))

    def give_up(self, now_s: float, start_error: str) -> None:
        """Tell those that have waited for too long why; `start_error` is why none could start."""
        for wake in self._waiting.expired(now_s):
            lacking = self._demand.unplaced(now_s).get(wake.key.party)
            if lacking:
                why = f"rooms of party {wake.key.party} need {lacking}, and no node has that free"
            else:
                why = start_error or "no room actor became free in time"
            self._tell(wake, Placed(error=why, lacking=bool(lacking)))

    def forget(self, link: Link) -> None:
        """A gateway is gone."""
        self._waiting.forget(link)

    def make_places(self) -> None:
        """Have rooms hibernate: those that should, and as many as give their places to others."""
        self._mover.hibernate_rooms(self.plain, self._demand.waiting(self._waiting.by_party))

    async def _place_after_burial(self, wake: WaitingWake) -> None:
        await self._undertaker.buried(wake.key)
        if not self._place(wake):
            self._wait(wake)

    def _wait(self, wake: WaitingWake) -> None:
        if self._mover.draining:
            # Nothing becomes free here any more; elsewhere it may, until the gateway asks again.
            self._tell(wake, Placed(error="this node is being drained, and no other has a place"))
            return
        self._waiting.add(wake)
        self._fill()
        if self._hurry is None:
            self._hurry = asyncio.get_running_loop().call_later(HURRY_S, self._find_places)

    def _find_places(self) -> None:
        self._hurry = None
        if self._waiting and not self._stopping:
            self.make_places()

    def _place(self, wake: WaitingWake) -> bool:
        record = self._pool.assign(wake.key, time.monotonic())
        if record is None:
            return False
        self._tell(wake, Placed(record.address))
        # The pool is refilled at the next tick: a process that starts takes the processors from
        # the room that is waking.
        return True

    def _tell(self, wake: WaitingWake, placed: Placed) -> None:
        wake.link.write(pack(Kind.PLACED, number=wake.number, payload=messages.encode(placed)))
