"""The simulated cluster keeps what the real one promises: one owner, nothing lost, its limits."""

from __future__ import annotations

import pytest
from parlour.runtime.rollout import MOVING_MAX

from benchmarks import scale_rollout, scale_standbys
from benchmarks.scale_cluster import CLAIM_S, SimulatedCluster
from benchmarks.scale_day import Day, Plan, simulate

PLAN = Plan(
    rooms=10_000,
    visits=13_000,
    nodes=8,
    favoured=1,
    rooms_per_actor=25,
    live_rooms_max=175,
    step_s=1200.0,
)


@pytest.fixture(scope="module")
def day() -> Day:
    """A hundredth of the day in docs/scale.md; rooms on two nodes, or lost, or too many, raise."""
    return simulate(PLAN)


def test_rooms_wake_elsewhere_when_their_node_is_full(day: Day) -> None:
    """The favoured gateway has more rooms than its node has places; none is refused one."""
    assert day.tally.elsewhere > 0
    assert (day.tally.refused, day.unserved) == (0, 0)
    assert max(map(max, day.live)) <= PLAN.live_rooms_max
    assert day.tally.wakes > PLAN.rooms / 2


def test_rooms_of_a_dead_node_are_live_again_in_time(day: Day) -> None:
    """Those in use: after their lease, and within the 5 s that are promised."""
    assert day.killed_rooms > 0
    assert day.woken_after_death > 0
    assert 3.0 <= day.back_s <= 5.0 + 0.2
    death_step = int(PLAN.death_h * 3600 / PLAN.step_s)
    assert {live[-1] for live in day.live[death_step:]} == {0}


def test_a_drained_node_is_empty_in_time_and_stays_so(day: Day) -> None:
    """Its rooms have moved, and no other has come."""
    assert day.drained > 0
    assert day.drain_took_s <= PLAN.drain_within_s + 5.0
    drain_step = int(PLAN.drain_h * 3600 / PLAN.step_s)
    assert {live[0] for live in day.live[drain_step:]} == {0}


def test_rooms_come_to_a_new_version_as_they_hibernate(day: Day) -> None:
    """There is nobody who tells them to."""
    assert day.outdated[0] > day.outdated[-1]
    assert day.tally.left["deploy"] == 0


def cluster() -> SimulatedCluster:
    """Two nodes and a few rooms, in full view."""
    return SimulatedCluster(10, 2, rooms_per_actor=2, hibernate_after_s=60.0, live_rooms_max=4)


def test_of_two_nodes_that_wake_a_room_at_once_one_bounces() -> None:
    """It asks the directory again and finds the room on the other."""
    both = cluster()
    assert both.event(0, 7, 100.0) is None
    again_s = both.event(1, 7, 100.0)
    assert again_s == CLAIM_S
    assert both.tally.bounced == 1
    both.now_s = again_s
    assert both.event(1, 7, 100.0) is None
    assert (both.tally.wakes, both.tally.lookups, both.check()) == (1, 3, 1)


def test_a_room_of_a_dead_node_waits_for_its_lease() -> None:
    """Until then it may still be somebody's."""
    both = cluster()
    both.event(1, 7, 100.0)
    both.now_s = 10.0
    assert both.kill(1) == [(7, 100.0)]
    assert both.event(0, 7, 100.0) == 13.0
    both.now_s = 13.0
    assert both.event(0, 7, 100.0) is None
    assert both.check() == 1


def test_a_room_on_two_nodes_does_not_pass_the_check() -> None:
    """Neither does one that the directory has lost: the day's promises can be broken."""
    both = cluster()
    both.event(0, 7, 100.0)
    both.check()
    twin = both.nodes[1]
    actor = next(iter(twin.pool.actors.values()))
    key = next(iter(next(rooms for rooms in both.nodes[0].live.values() if rooms)))
    twin.begin(actor, key, 100.0)
    with pytest.raises(AssertionError, match="on two nodes"):
        both.check()
    del twin.live[actor.id][key]
    both.nodes[0].live.clear()
    with pytest.raises(AssertionError, match="the directory has 1 live rooms, the nodes have 0"):
        both.check()


def test_more_standbys_make_fewer_rooms_wait() -> None:
    """At a pace at which room actors can be started."""
    few, many = (scale_standbys.simulate(2.0, standbys, wakes=200) for standbys in (2, 16))
    assert few.waited_share > many.waited_share
    assert few.longest_s < 5.0
    assert many.p50_s == 0.0


def test_rooms_move_to_a_new_version_a_few_at_a_time() -> None:
    """In the time given when it is enough for them, and no more at once than the limit."""
    rollout = scale_rollout.simulate(300, 50, 10.0)
    assert rollout.took_s == pytest.approx(10.0, abs=0.5)
    assert rollout.at_the_end <= MOVING_MAX
    assert 0 < rollout.most_a_look <= MOVING_MAX


def test_rooms_for_which_there_was_no_time_are_told_at_its_end() -> None:
    """All at once: 80 a second is what a node may do."""
    rollout = scale_rollout.simulate(300, 50, 2.0)
    assert rollout.at_the_end >= 300 - 80 * 2
    assert rollout.most_a_look == MOVING_MAX
