"""The chain of rooms that wait for each other: a call that would wait for itself is refused.

Each call carries the rooms that wait for its answer. What a hook calls carries those of the event
that it handles, and its own room besides: kept in a context variable, which tasks that the hook
starts inherit. Once the hook has ended, nobody waits for them any more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from .call_errors import DeadlockError
from .messages import Hop, RoomKey

HOPS_MAX = 32  # of a chain: rooms that interleave could call each other without end

Chain = tuple[Hop, ...]


class Errand:
    """An event in hand, as calls that are made for it see it."""

    __slots__ = ("chain", "ended")

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.ended = False


current_errand: ContextVar[Errand | None] = ContextVar("current_errand", default=None)


@contextlib.contextmanager
def errand(chain: Chain) -> Iterator[None]:
    """Calls that are made inside are waited for by these rooms."""
    on_hand = Errand(chain)
    token = current_errand.set(on_hand)
    try:
        yield
    finally:
        on_hand.ended = True
        current_errand.reset(token)


def current_chain() -> Chain:
    """The rooms that wait for whatever is called here."""
    found = current_errand.get()
    return () if found is None or found.ended else found.chain


def chain_to(key: RoomKey) -> Chain:
    """The rooms that will wait for a call of this room that is made here.

    Raises:
        DeadlockError: As `check_chain`.
    """
    chain = current_chain()
    check_chain(chain, key)
    return chain


def check_chain(chain: Chain, key: RoomKey) -> None:
    """Whether a room may be called by the last one of a chain.

    Raises:
        DeadlockError: If it is one that waits, or the chain is too long; names the chain.
    """
    target = key.space
    for place, hop in enumerate(chain):
        if hop.room == target and hop.is_busy:
            names = " -> ".join([*(each.room for each in chain[place:]), target])
            raise DeadlockError(f"{names}: {target} handles one event at a time and waits for this")
    if len(chain) >= HOPS_MAX:
        names = " -> ".join([chain[0].room, "...", chain[-1].room, target])
        raise DeadlockError(f"{names}: a chain of calls has at most {HOPS_MAX} rooms")
