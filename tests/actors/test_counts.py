"""What processes count, and how counts are added up."""

from __future__ import annotations

import msgspec
from parlour.actors.counts import (
    BUCKETS_S,
    Durations,
    GatewayCounts,
    PartyCounts,
    ProcessCounts,
    total,
)


def test_a_duration_is_counted_in_the_first_bucket_that_holds_it() -> None:
    """Its own bound included; what is longer than all of them has a place too."""
    durations = Durations()
    for duration_s in (BUCKETS_S[0], BUCKETS_S[0] + 0.0001, 1e6):
        durations.observe(duration_s)
    assert durations.counts[:2] == [1, 1]
    assert durations.counts[-1] == 1
    assert sum(durations.counts) == 3
    assert durations.sum_s > 1e6


def test_no_two_processes_share_their_numbers() -> None:
    """Nor two parties of one."""
    first, second = ProcessCounts(), ProcessCounts()
    first.party("chat").wakes.observe(1.0)
    first.party("chat").left["hibernate"] = 1
    assert second.party("chat") == first.party("game") == PartyCounts()


def test_counts_are_added_up_place_by_place() -> None:
    """Parties and reasons that only one of them knows included."""
    one = ProcessCounts(lease_losses=1)
    one.party("chat").events = 2
    one.party("chat").left = {"hibernate": 3, "move": 1}
    one.party("chat").flushes.observe(0.0001)
    other = ProcessCounts(redis_reconnects=4)
    other.party("chat").events = 5
    other.party("chat").left = {"hibernate": 1}
    other.party("chat").flushes.observe(0.0001)
    other.party("game").alarms = 6

    both = total(ProcessCounts, [one, other])

    assert (both.lease_losses, both.redis_reconnects) == (1, 4)
    assert both.parties["chat"].events == 7
    assert both.parties["chat"].left == {"hibernate": 4, "move": 1}
    assert both.parties["chat"].flushes.counts[0] == 2
    assert both.parties["game"].alarms == 6
    assert one.parties["chat"].events == 2  # what was added is as it was
    assert total(GatewayCounts, []) == GatewayCounts()


def test_counts_travel_as_they_are() -> None:
    """In the frames that carry them."""
    counts = ProcessCounts(lease_losses=1)
    counts.party("chat").wakes.observe(0.2)
    sent = msgspec.msgpack.encode(counts)
    assert msgspec.msgpack.decode(sent, type=ProcessCounts) == counts
