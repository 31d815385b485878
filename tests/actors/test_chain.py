"""Chains of calls: who waits for whom."""

from __future__ import annotations

import asyncio

import pytest
from parlour.actors.call_errors import DeadlockError
from parlour.actors.chain import HOPS_MAX, check_chain, current_chain, errand
from parlour.actors.messages import Hop, RoomKey

A, B, TURNS = Hop("p/a", True), Hop("p/b", True), Hop("p/t", False)


@pytest.mark.parametrize(
    ("chain", "target", "named"),
    [
        ((A,), "a", "p/a -> p/a"),
        ((A, B), "a", "p/a -> p/b -> p/a"),
        ((A, B), "b", "p/b -> p/b"),
        ((TURNS, A, TURNS), "a", "p/a -> p/t -> p/a"),
    ],
)
def test_a_room_that_waits_cannot_be_called(
    chain: tuple[Hop, ...], target: str, named: str
) -> None:
    """The error names the chain from that room on."""
    with pytest.raises(DeadlockError, match=f"^{named}: p/{target} handles one event at a time"):
        check_chain(chain, RoomKey("p", target))


@pytest.mark.parametrize("chain", [(), (A,), (B, TURNS), (TURNS,), (TURNS, TURNS)])
def test_others_can(chain: tuple[Hop, ...]) -> None:
    """Rooms that are not in it, and rooms that handle other events while they wait."""
    check_chain(chain, RoomKey("p", "c"))
    check_chain(chain, RoomKey("p", "t"))
    check_chain(chain, RoomKey("other", "a"))


def test_a_chain_has_an_end() -> None:
    """Rooms that interleave could call each other for ever."""
    check_chain((TURNS,) * (HOPS_MAX - 1), RoomKey("p", "t"))
    with pytest.raises(DeadlockError, match=f"has at most {HOPS_MAX} rooms"):
        check_chain((TURNS,) * HOPS_MAX, RoomKey("p", "t"))


async def test_tasks_of_a_hook_are_a_part_of_it_until_it_ends() -> None:
    """What goes on afterwards is waited for by nobody."""
    ended = asyncio.Event()

    async def ask() -> tuple[object, object]:
        before = current_chain()
        await ended.wait()
        return before, current_chain()

    assert current_chain() == ()
    with errand((A, B)):
        task = asyncio.create_task(ask())
        await asyncio.sleep(0)
        with errand((TURNS,)):
            assert current_chain() == (TURNS,)
        assert current_chain() == (A, B)
    ended.set()
    assert await task == ((A, B), ())
    assert current_chain() == ()
