"""The counts of a node: over all of its processes, those that are gone too."""

from __future__ import annotations

from parlour.actors.counts import GatewayCounts, GatewayReport, ProcessCounts
from parlour.runtime.node_counts import NodeCounts


def counted(events: int) -> ProcessCounts:
    """What a room actor has counted so far."""
    counts = ProcessCounts()
    counts.party("chat").events = events
    return counts


def test_a_process_says_its_numbers_again_and_again() -> None:
    """The newest count, and add to those of the others."""
    counts = NodeCounts()
    for events in (1, 5):
        counts.room_actors.take("a", counted(events))
    counts.room_actors.take("b", counted(10))
    assert counts.room_actors.sum().parties["chat"].events == 15


def test_what_a_process_had_counted_stays_when_it_is_gone() -> None:
    """A counter never falls while the manager lives."""
    counts = NodeCounts()
    counts.room_actors.take("a", counted(5))
    counts.room_actors.forget("a")
    counts.room_actors.forget("a")
    counts.room_actors.take("b", counted(1))
    assert counts.room_actors.sum().parties["chat"].events == 6


def test_the_sockets_of_a_gateway_are_gone_with_it() -> None:
    """What it had counted is not."""
    counts = NodeCounts()
    counts.gateway_reports("g", GatewayReport(3, GatewayCounts(connects=7)))
    assert (counts.sockets, counts.gateways.sum().connects) == (3, 7)
    counts.gateway_gone("g")
    counts.gateway_gone("another")
    assert (counts.sockets, counts.gateways.sum().connects) == (0, 7)
