"""Demand: room actors with resources are started for rooms that wait, and for no others."""

from __future__ import annotations

import pytest
from parlour.actors.link import Link
from parlour.actors.messages import RoomKey, RoomReport
from parlour.actors.options import options_of
from parlour.actors.resources import ActorResources
from parlour.actors.room import Room
from parlour.runtime.actor_record import ActorRecord, ActorState
from parlour.runtime.demand import PENDING_KEPT_S, STANDBY_KEPT_S, UNPLACED_TOLD_S, Demand
from parlour.runtime.pool import STARTING_MAX, Pool


class Chat(Room):
    """Asks for nothing."""


class Draw(Room):
    """Wants a GPU for each room."""

    num_gpus = 1


class Film(Room):
    """Wants a GPU and a processor, for three rooms each."""

    num_gpus = 1
    num_cpus = 1
    rooms_per_actor = 3


class Disk(Room):
    """Wants what the others do not."""

    resources = {"disk": 1}


CLASSES = {"chat": Chat, "draw": Draw, "paint": Draw, "film": Film, "disk": Disk}
OPTIONS = {party: options_of(each) for party, each in CLASSES.items()}
GPU, FILM = ActorResources(num_gpus=1.0), ActorResources(num_gpus=1.0, num_cpus=1.0)


class Node:
    """A pool with the demand of its rooms."""

    def __init__(self, link: Link) -> None:
        self.pool = Pool(standbys=2, live_rooms_max=10)
        self.pool.deploy(1, OPTIONS)
        self.demand = Demand(self.pool)
        self.now_s = 1000.0
        self._link = link

    def missing(self, **rooms: int) -> list[ActorResources]:
        return list(self.demand.missing(rooms, self.now_s))

    def ask(self, name: str, resources: ActorResources) -> ActorRecord:
        """One that Ray was asked for and has not placed."""
        record = self.pool.add(name, self.pool.version, resources)
        record.asked_s = self.now_s
        return record

    def start(self, name: str, resources: ActorResources) -> ActorRecord:
        """A standby."""
        record = self.ask(name, resources)
        self.pool.started(record, self._link, f"/run/{name}", self.now_s)
        return record

    def surplus(self, **rooms: int) -> list[ActorRecord]:
        return self.demand.surplus(rooms, self.now_s)


@pytest.fixture
async def node() -> Node:
    """One on which nothing was started."""
    return Node(Link(print, print))


async def test_nothing_is_started_ahead_of_time(node: Node) -> None:
    """It would hold what others need; rooms that ask for nothing have the standbys of the pool."""
    assert node.missing() == node.missing(chat=5) == node.missing(unknown=1) == []
    assert node.pool.missing(0) == 2


async def test_one_is_started_for_each_room_that_waits(node: Node) -> None:
    """Rooms that share a process count together, parties that ask for the same too; few at once."""
    assert node.missing(draw=1, paint=1) == [GPU, GPU]
    assert node.missing(film=3) == [FILM]
    assert node.missing(film=4, draw=1) == [FILM, FILM, GPU]
    assert node.missing(draw=100) == [GPU] * STARTING_MAX


async def test_those_on_their_way_and_those_that_are_ready_count(node: Node) -> None:
    """For the rooms that can use them; they take nothing from the pool's own."""
    for number in range(STARTING_MAX):
        node.ask(f"g{number}", GPU)
    assert node.missing(draw=100) == []
    assert node.missing(film=1) == [FILM]
    assert node.pool.missing(0) == 2
    node.start("f", FILM)
    assert node.missing(film=3) == []


async def test_a_full_node_starts_none(node: Node) -> None:
    """It could give it no room."""
    a = node.start("a", GPU)
    rooms = [RoomReport(RoomKey("draw", str(n)), "live", 0.0, 0, 0.0) for n in range(10)]
    node.pool.report(a, rooms, 1, node.now_s)
    assert node.missing(draw=1) == []


async def test_a_room_is_given_what_its_party_asks_for_and_nothing_else(node: Node) -> None:
    """A standby without it would not do, and one with it is not for those who need it not."""
    node.start("plain", ActorResources())
    node.start("gpu", GPU)
    assert node.pool.assign(RoomKey("film", "1"), node.now_s) is None
    found = node.pool.assign(RoomKey("draw", "1"), node.now_s)
    assert found is not None
    assert found.id == "gpu"
    assert node.pool.assign(RoomKey("draw", "2"), node.now_s) is None
    found = node.pool.assign(RoomKey("chat", "1"), node.now_s)
    assert found is not None
    assert found.id == "plain"
    assert node.pool.places().of("film") == node.pool.places().of("chat") == 0


async def test_where_all_parties_ask_for_resources_there_are_no_standbys(node: Node) -> None:
    """Nobody could use them."""
    plain = node.start("plain", ActorResources())
    assert node.pool.surplus() == []
    node.pool.deploy(1, {"draw": OPTIONS["draw"]})
    assert node.pool.missing(0) == 0
    assert node.pool.surplus() == [plain]


async def test_one_whose_room_has_left_gives_its_resources_back_after_a_while(node: Node) -> None:
    """A room that comes at once finds it; the pool's own surplus it is not."""
    a = node.start("a", GPU)
    node.pool.assign(RoomKey("draw", "1"), node.now_s)
    node.pool.report(a, [RoomReport(RoomKey("draw", "1"), "live", 0.0, 0, 0.0)], 1, node.now_s)
    node.now_s += STANDBY_KEPT_S
    assert node.surplus() == []
    node.pool.report(a, [], 1, node.now_s)
    assert a.state is ActorState.STANDBY
    node.now_s += STANDBY_KEPT_S - 0.1
    assert node.surplus() == []
    node.pool.report(a, [], 1, node.now_s)
    node.now_s += 0.1
    assert node.surplus() == [a]
    assert node.pool.surplus() == []


async def test_it_gives_them_back_at_once_if_others_wait_for_them(node: Node) -> None:
    """Others who ask for something of the same, in another measure; not whoever can use it."""
    a = node.start("a", GPU)
    assert node.surplus(draw=1) == node.surplus(disk=1) == node.surplus(chat=1) == []
    assert node.surplus(film=1) == [a]


async def test_what_cannot_be_placed_is_told_once_and_while_it_lasts(node: Node) -> None:
    """For each party that needs it; a moment is no news."""
    record = node.ask("a", GPU)
    assert node.demand.unplaced(node.now_s) == {}
    node.now_s += UNPLACED_TOLD_S
    expected = {"draw": "num_gpus=1", "paint": "num_gpus=1"}
    assert node.demand.unplaced(node.now_s) == node.demand.news(node.now_s) == expected
    assert node.demand.unplaced(node.now_s) == expected
    assert node.demand.news(node.now_s) == {}
    record.started_s = node.now_s
    assert node.demand.unplaced(node.now_s) == node.demand.news(node.now_s) == {}
    node.ask("b", GPU)
    node.now_s += UNPLACED_TOLD_S
    assert node.demand.news(node.now_s) == expected


async def test_a_demand_outlives_the_rooms_that_waited_for_a_while(node: Node) -> None:
    """A machine takes minutes to come; then it is taken back, as nobody wants it."""
    assert node.missing(draw=1) == [GPU]
    record = node.ask("a", GPU)
    node.now_s += PENDING_KEPT_S - 0.1
    assert node.demand.withdrawn(node.now_s) == []
    node.missing(draw=1)
    node.now_s += PENDING_KEPT_S - 0.1
    assert node.demand.withdrawn(node.now_s) == []
    node.now_s += 0.1
    assert node.demand.withdrawn(node.now_s) == [record]
    record.started_s = node.now_s
    assert node.demand.withdrawn(node.now_s) == []


async def test_a_demand_of_an_older_version_is_taken_back_at_once(node: Node) -> None:
    """Its classes would serve nobody."""
    node.missing(draw=1)
    record = node.ask("a", GPU)
    node.pool.deploy(2, OPTIONS)
    assert node.demand.withdrawn(node.now_s) == [record]
    assert node.missing(draw=1) == [GPU]
