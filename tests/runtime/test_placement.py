"""Placement: a room wakes where it is asked for, unless that node is short of something."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.runtime.placement import CPU_LOAD_MAX, NodeLoad, elsewhere

HERE = NodeLoad("here", "/here", free_places=5, cpu_load=0.5)
LOADS = st.builds(
    NodeLoad,
    node_id=st.uuids().map(str),
    manager_address=st.just("/x"),
    free_places=st.integers(0, 3),
    cpu_load=st.sampled_from([0.0, 0.5, 1.0, CPU_LOAD_MAX, 2.1, 4.0, 8.0]),
    short_of_memory=st.booleans(),
    leaving=st.booleans(),
)


def other(name: str, cpu_load: float = 0.5, free_places: int = 5) -> NodeLoad:
    """Another node, which has a place."""
    return NodeLoad(name, f"/{name}", free_places, cpu_load)


@pytest.mark.parametrize(
    "short",
    [
        replace(HERE, free_places=0),
        replace(HERE, short_of_memory=True),
        replace(HERE, leaving=True),
        replace(HERE, cpu_load=CPU_LOAD_MAX + 0.1),
    ],
)
def test_a_node_that_is_short_of_something_gives_rooms_away(short: NodeLoad) -> None:
    """Of places, memory, time to stay or processors; if somebody takes them."""
    assert elsewhere(short, [other("a", cpu_load=0.1)]) == other("a", cpu_load=0.1)
    assert elsewhere(short, []) is None


def test_a_node_with_a_place_keeps_its_rooms() -> None:
    """However idle the others are."""
    assert elsewhere(HERE, [other("a", cpu_load=0.0, free_places=1000)]) is None
    busy = replace(HERE, cpu_load=CPU_LOAD_MAX)
    assert elsewhere(busy, [other("a", cpu_load=0.0)]) is None


def test_the_one_with_least_to_do_takes_it_then_the_one_with_most_places() -> None:
    """In whatever order they are known."""
    full = replace(HERE, free_places=0)
    best = other("best", 0.1, 9)
    others = [other("idle", 0.1, 1), best, other("busy", 0.2, 1000)]
    assert elsewhere(full, others) == elsewhere(full, others[::-1]) == best


def test_a_busy_node_gives_rooms_only_to_one_that_is_half_as_busy() -> None:
    """Else they would go to and fro."""
    busy = replace(HERE, cpu_load=4.0)
    assert elsewhere(busy, [other("a", cpu_load=2.1)]) is None
    assert elsewhere(busy, [other("a", cpu_load=2.0)]) == other("a", cpu_load=2.0)
    full = replace(busy, free_places=0)
    assert elsewhere(full, [other("a", cpu_load=8.0)]) == other("a", cpu_load=8.0)


@given(LOADS, st.lists(LOADS, max_size=6))
def test_no_room_is_sent_where_it_has_no_place(here: NodeLoad, others: list[NodeLoad]) -> None:
    """Nor away from a node that has one and is not busy; nobody sends it on from there."""
    found = elsewhere(here, others)
    if found is None:
        if not here.has_place:
            assert not any(node.has_place for node in others)
        return
    assert found in others
    assert found.has_place
    assert not here.has_place or here.cpu_load > CPU_LOAD_MAX
    if here.has_place:
        assert found.cpu_load <= here.cpu_load / 2
        assert elsewhere(found, [here]) is None
