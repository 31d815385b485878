"""The mover: which rooms of a node are told to leave, when, in which order and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind
from parlour.actors.messages import Leave, RoomKey, RoomReport
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.runtime.actor_record import ActorRecord
from parlour.runtime.mover import RETURN_S, TOLD_AGAIN_S, RoomMover
from parlour.runtime.places import Places
from parlour.runtime.pool import Pool
from parlour.runtime.rollout import MOVING_MAX, PLACE_PATIENCE_S, WITHOUT_A_PLACE_MAX

from ..actors.linked import LinkPair, link_pair


class Chat(Room):
    """Many in a process, so that few are needed here."""

    rooms_per_actor = 1000
    hibernate_after = 1e9


OPTIONS = {"chat": options_of(Chat)}


class Stage:
    """A pool with room actors that keep their orders, and a clock."""

    def __init__(self, pair: LinkPair) -> None:
        self.now_s = 1000.0
        self.pool = Pool(standbys=2, live_rooms_max=1000)
        self.mover = RoomMover(self.pool, 0, clock=lambda: self.now_s)
        self._pair = pair

    def actor(self, name: str, version: int, rooms: int = 0) -> ActorRecord:
        """A room actor with rooms `<name>-0`, which has been idle for longest, and so on."""
        record = self.pool.add(name, version)
        self.pool.started(record, self._pair.near, f"/run/{name}", self.now_s)
        self.report(record, range(rooms))
        return record

    def report(self, record: ActorRecord, numbers: range | list[int]) -> None:
        """Say which of its rooms are left."""
        rooms = [
            RoomReport(RoomKey("chat", f"{record.id}-{n}"), "idle", float(n), 0, 0.0)
            for n in numbers
        ]
        self.pool.report(record, rooms, 1, self.now_s)

    async def told(self, count: int) -> list[tuple[str, str]]:
        """The next orders: which room, and why; there is none besides."""
        self._pair.near.flush()
        frames = [await self._pair.far_inbox.take() for _ in range(count)]
        assert {frame.kind for frame in frames} <= {Kind.HIBERNATE}
        leaves = [messages.decode(frame.payload, Leave) for frame in frames]
        assert self._pair.far_inbox.left() == []
        return [(leave.key.id, leave.reason) for leave in leaves]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """With version 1 in use."""
    pair = await link_pair(tmp_path)
    stage = Stage(pair)
    stage.pool.deploy(1, OPTIONS)
    yield stage
    pair.close()


async def test_rooms_of_older_versions_are_outdated(stage: Stage) -> None:
    """Those that are about to live there as well; a node that drains has no others."""
    old = stage.actor("old", 1, 2)
    stage.pool.assign(RoomKey("chat", "assigned"), stage.now_s)
    stage.pool.deploy(2, OPTIONS)
    stage.actor("new", 2, 1)
    assert {key.id for record, key in stage.mover.outdated() if record is old} == {
        "old-0",
        "old-1",
        "assigned",
    }
    assert len(stage.mover.outdated()) == 3
    stage.mover.draining = True
    assert len(stage.mover.outdated()) == 4
    assert repr(stage.mover) == "<RoomMover of 4 outdated rooms, 0 told>"


async def test_without_a_time_nobody_is_told_to_move(stage: Stage) -> None:
    """They move as they hibernate."""
    stage.actor("old", 1, 3)
    stage.pool.deploy(2, OPTIONS)
    stage.mover.begin(None)
    stage.now_s += 1e6
    stage.mover.move_outdated()
    assert await stage.told(0) == []


async def test_at_once_all_outdated_rooms_are_told(stage: Stage) -> None:
    """Once: those of the new version are not, and nobody hears it twice in a row."""
    stage.actor("old", 1, 3)
    stage.pool.deploy(2, OPTIONS)
    stage.actor("new", 2, 3)
    stage.mover.begin(0.0)
    assert await stage.told(3) == [(f"old-{n}", "deploy") for n in range(3)]
    stage.mover.move_outdated()
    assert await stage.told(0) == []


async def test_those_that_were_idle_longest_are_told_first(stage: Stage) -> None:
    """Evenly over the time; who is only about to live there comes last."""
    stage.actor("old", 1, 4)
    stage.pool.assign(RoomKey("chat", "assigned"), stage.now_s)
    stage.pool.deploy(2, OPTIONS)
    stage.actor("new", 2)
    stage.mover.begin(10.0)
    told: list[tuple[str, str]] = []
    for _ in range(4):
        assert await stage.told(0) == []
        stage.now_s += 2.0
        stage.mover.move_outdated()
        told += await stage.told(1)
        stage.report(stage.pool.actors["old"], [n for n in range(4) if n >= len(told)])
    assert [name for name, _ in told] == ["old-0", "old-1", "old-2", "old-3"]
    stage.now_s += 2.0
    stage.mover.move_outdated()
    assert await stage.told(1) == [("assigned", "deploy")]


async def test_nobody_is_told_before_a_process_waits_for_it(stage: Stage) -> None:
    """Nor when the time is over: the room is better served where it is."""
    stage.actor("old", 1, 3)
    stage.pool.deploy(2, OPTIONS)
    stage.mover.begin(10.0)
    for _ in range(2):
        stage.now_s += 9.0
        stage.mover.move_outdated()
        assert await stage.told(0) == []
    stage.actor("new", 2)
    stage.mover.move_outdated()
    assert len(await stage.told(3)) == 3


async def test_where_no_process_comes_for_long_a_few_go_without_one(stage: Stage) -> None:
    """Others may have taken each that came; these wait in line with them, and then the next."""
    old = stage.actor("old", 1, 2 * WITHOUT_A_PLACE_MAX)
    stage.pool.deploy(2, OPTIONS)
    stage.mover.begin(10.0)
    stage.now_s += 10.0
    for first in (0, WITHOUT_A_PLACE_MAX):
        stage.report(old, range(first, 2 * WITHOUT_A_PLACE_MAX))
        stage.now_s += PLACE_PATIENCE_S - 0.5
        stage.mover.move_outdated()
        assert await stage.told(0) == []
        stage.now_s += 1.0
        stage.mover.move_outdated()
        assert len(await stage.told(WITHOUT_A_PLACE_MAX)) == WITHOUT_A_PLACE_MAX


async def test_all_go_at_the_end_of_the_time_where_no_process_is_kept_waiting(
    stage: Stage,
) -> None:
    """Those of a party with resources would wait for ever: what they need is what they have."""

    class Draw(Chat):
        num_gpus = 1

    stage.pool.deploy(1, {"chat": options_of(Draw)})
    stage.actor("old", 1, 3)
    stage.pool.deploy(2, {"chat": options_of(Draw)})
    stage.mover.begin(10.0)
    stage.now_s += 9.0
    stage.mover.move_outdated()
    assert await stage.told(0) == []
    stage.now_s += 1.0
    stage.mover.move_outdated()
    assert len(await stage.told(3)) == 3


async def test_a_place_is_kept_for_a_room_that_has_left_and_is_not_back_yet(stage: Stage) -> None:
    """The next one would find it taken, and wait for a process to start."""
    old = stage.actor("old", 1, 2)
    stage.pool.deploy(2, {"chat": msgspec.structs.replace(OPTIONS["chat"], rooms_per_actor=1)})
    stage.actor("new", 2)
    stage.mover.begin(0.0)
    assert await stage.told(1) == [("old-0", "deploy")]
    stage.report(old, [1])
    stage.mover.move_outdated()
    assert await stage.told(0) == []
    stage.now_s += 2 * RETURN_S
    stage.mover.move_outdated()
    assert await stage.told(1) == [("old-1", "deploy")]


async def test_rooms_of_two_parties_do_not_leave_for_the_same_process(stage: Stage) -> None:
    """One waits for the next; the one that was idle longer goes first."""
    parties = {"chat": OPTIONS["chat"], "talk": OPTIONS["chat"]}
    stage.pool.deploy(1, parties)
    stage.actor("old", 1, 1)
    talk = stage.actor("talk", 1)
    busy = RoomReport(RoomKey("talk", "busy"), "live", 5.0, 1, 0.0)
    stage.pool.report(talk, [busy], 1, stage.now_s)
    stage.pool.deploy(2, parties)
    stage.actor("new", 2)
    stage.mover.begin(0.0)
    assert await stage.told(1) == [("old-0", "deploy")]
    stage.actor("another", 2)
    stage.mover.move_outdated()
    assert await stage.told(1) == [("busy", "deploy")]


async def test_a_room_that_stays_is_told_again_after_a_while(stage: Stage) -> None:
    """It may have been on its way to its process when it was told first."""
    stage.actor("old", 1, 1)
    stage.pool.deploy(2, OPTIONS)
    stage.actor("new", 2)
    stage.mover.begin(0.0)
    await stage.told(1)
    stage.now_s += TOLD_AGAIN_S - 0.1
    stage.mover.move_outdated()
    assert await stage.told(0) == []
    stage.now_s += 0.2
    stage.mover.move_outdated()
    assert await stage.told(1) == [("old-0", "deploy")]


async def test_few_are_on_their_way_at_once_until_the_time_is_over(stage: Stage) -> None:
    """Then all that are left are told."""
    stage.actor("old", 1, 100)
    stage.pool.deploy(2, OPTIONS)
    stage.actor("new", 2)
    stage.mover.begin(10.0)
    stage.now_s += 9.9
    stage.mover.move_outdated()
    assert len(await stage.told(MOVING_MAX)) == MOVING_MAX
    stage.now_s += 0.05
    stage.mover.move_outdated()
    assert await stage.told(0) == []
    stage.now_s += 0.1
    stage.mover.move_outdated()
    assert len(await stage.told(100 - MOVING_MAX)) == 100 - MOVING_MAX


async def test_a_draining_node_sends_its_rooms_to_others(stage: Stage) -> None:
    """Whatever their version, and that is what they are told."""
    stage.actor("new", 1, 2)
    stage.mover.draining = True
    stage.mover.begin(0.0)
    assert await stage.told(2) == [("new-0", "move"), ("new-1", "move")]


async def test_another_version_begins_anew(stage: Stage) -> None:
    """Those that were told for the one before are told again, as they are still there."""
    stage.actor("old", 1, 2)
    stage.pool.deploy(2, OPTIONS)
    stage.actor("new", 2)
    stage.mover.begin(0.0)
    await stage.told(2)
    stage.pool.deploy(3, OPTIONS)
    stage.actor("newer", 3)
    stage.mover.begin(0.0)
    assert len(await stage.told(2)) == 2


async def test_a_room_actor_without_a_line_is_told_nothing(stage: Stage) -> None:
    """It is being started, or has just gone."""
    stage.actor("old", 1, 1).link = None
    stage.pool.deploy(2, OPTIONS)
    stage.mover.begin(0.0)
    assert await stage.told(0) == []


@pytest.mark.parametrize(("free_bytes_min", "short"), [(0, False), (2**60, True)])
async def test_memory_is_short_below_the_limit(free_bytes_min: int, short: bool) -> None:
    """Of the machine's real memory."""
    assert RoomMover(Pool(1, 1), free_bytes_min).short_of_memory is short


async def test_a_look_counts_the_places_once_and_not_for_each_room(stage: Stage) -> None:
    """With ten thousand rooms on their way to a new version the node would do nothing else."""
    asked: list[Places] = []

    class CountingPool(Pool):
        def places(self) -> Places:
            asked.append(super().places())
            return asked[-1]

    stage.pool = CountingPool(standbys=2, live_rooms_max=1000)
    stage.mover = RoomMover(stage.pool, 0, clock=lambda: stage.now_s)
    stage.pool.deploy(1, OPTIONS)
    stage.actor("old", 1, 100)
    stage.pool.deploy(2, OPTIONS)
    stage.actor("new", 2)
    stage.mover.begin(10.0)
    stage.now_s += 9.9
    stage.mover.move_outdated()
    assert len(await stage.told(MOVING_MAX)) == MOVING_MAX
    assert len(asked) == 1


async def test_a_process_that_has_grown_too_much_is_named_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Its rooms are told until they have left, and the log is not flooded meanwhile."""
    record = stage.actor("big", 1, 1)
    record.memory_bytes = record.empty_bytes + 2 * OPTIONS["chat"].memory_bytes_max
    for _ in range(3):
        stage.mover.hibernate_rooms(0)
    assert await stage.told(3) == [("big-0", "memory")] * 3
    assert caplog.text.count("is reset") == 1
