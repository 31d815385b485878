"""The pool: who serves which room, and how many room actors there should be."""

from __future__ import annotations

import random

import pytest
from parlour.actors.link import Link
from parlour.actors.messages import RoomKey, RoomReport
from parlour.actors.options import RoomOptions, options_of
from parlour.actors.room import Room
from parlour.runtime.actor_record import ActorRecord, ActorState
from parlour.runtime.pool import ASSIGNMENT_TIMEOUT_S, BLOCKING_GRACE_S, STARTING_MAX, Pool


class Chat(Room):
    """A room actor for each room."""


class Dense(Room):
    """Three rooms share one."""

    rooms_per_actor = 3


OPTIONS: dict[str, RoomOptions] = {"chat": options_of(Chat), "dense": options_of(Dense)}


@pytest.fixture
async def link() -> Link:
    """A link to a room actor."""
    return Link(print, print)


class Node:
    """A pool, and what its room actors would say."""

    def __init__(self, link: Link, standbys: int = 2, live_rooms_max: int = 10) -> None:
        self.pool = Pool(standbys, live_rooms_max)
        self.pool.deploy(1, OPTIONS)
        self.now_s = 0.0
        self._link = link

    def start(self, actor_id: str) -> ActorRecord:
        """A room actor that is ready."""
        record = self.pool.add(actor_id, self.pool.version)
        self.pool.started(record, self._link, f"/run/{actor_id}", self.now_s)
        return record

    def assign(self, name: str) -> str | None:
        """Which room actor a room `party/id` is given."""
        record = self.pool.assign(key(name), self.now_s)
        return record.id if record is not None else None

    def report(self, record: ActorRecord, *names: str, memory_bytes: int = 50) -> None:
        """What a room actor says of its rooms."""
        rooms = [RoomReport(key(name), "live", 0.0, 0, 0.0) for name in names]
        self.pool.report(record, rooms, memory_bytes, self.now_s)


@pytest.fixture
async def node(link: Link) -> Node:
    """A node with room for ten rooms and two standbys."""
    return Node(link)


def key(name: str) -> RoomKey:
    """The room `party/id`."""
    return RoomKey(*name.split("/"))


async def test_a_room_is_given_a_standby_and_keeps_it(node: Node) -> None:
    """However often it is asked for; another room gets another one."""
    a, b = node.start("a"), node.start("b")
    assert node.assign("chat/1") == "a"
    assert node.assign("chat/1") == "a"
    assert node.assign("chat/2") == "b"
    assert node.assign("chat/3") is None
    assert (a.state, b.state) == (ActorState.SERVING, ActorState.SERVING)
    assert node.pool.find(key("chat/1")) is a
    assert node.pool.find(key("chat/3")) is None


async def test_a_room_actor_that_is_starting_is_given_nothing(node: Node) -> None:
    """Nobody could reach it yet."""
    node.pool.add("a", 1)
    assert node.assign("chat/1") is None


async def test_a_room_actor_whose_room_has_left_is_a_standby_again(node: Node) -> None:
    """And the room may go anywhere."""
    a = node.start("a")
    node.assign("chat/1")
    node.report(a, "chat/1")
    assert node.pool.count(ActorState.SERVING) == 1
    node.report(a)
    assert node.pool.count(ActorState.STANDBY) == 1
    assert node.pool.find(key("chat/1")) is None
    assert node.assign("chat/2") == "a"


async def test_a_report_from_before_the_gateway_attached_does_not_free_it(node: Node) -> None:
    """A room that was just assigned is not reported yet; but it is not waited for for ever."""
    a = node.start("a")
    node.assign("chat/1")
    node.now_s = ASSIGNMENT_TIMEOUT_S - 0.1
    node.report(a)
    assert (a.state, node.pool.find(key("chat/1"))) == (ActorState.SERVING, a)
    node.now_s = ASSIGNMENT_TIMEOUT_S
    node.report(a)
    assert (a.state, node.pool.find(key("chat/1"))) == (ActorState.STANDBY, None)


async def test_a_room_of_a_party_that_is_not_deployed_is_nobodys(node: Node) -> None:
    """Whoever is asked refuses it; however often that was, the next version may have it at once."""
    a = node.start("a")
    for _ in range(3):
        assert node.assign("gone/1") == "a"
    assert (a.state, a.keys, node.pool.find(key("gone/1"))) == (ActorState.STANDBY, set(), None)
    node.pool.deploy(2, {**OPTIONS, "gone": options_of(Chat)})
    assert node.assign("gone/1") is None
    b = node.start("b")
    assert node.assign("gone/1") == "b"
    node.pool.deploy(3, OPTIONS)  # a room that lives where its party was known stays there
    assert (node.assign("gone/1"), node.pool.find(key("gone/1"))) == ("b", b)


async def test_a_room_that_was_placed_without_us_is_known_from_the_report(node: Node) -> None:
    """After a restart of the manager, the room actors tell where the rooms are."""
    a = node.start("a")
    node.report(a, "chat/7")
    assert a.state is ActorState.SERVING
    assert node.assign("chat/7") == "a"


async def test_the_rooms_of_one_that_is_gone_go_elsewhere(node: Node) -> None:
    """They are named to whoever removes it."""
    a = node.start("a")
    node.assign("chat/1")
    assert node.pool.remove(a) == {key("chat/1")}
    node.start("b")
    assert node.assign("chat/1") == "b"
    assert node.pool.remove(a) == {key("chat/1")}
    assert node.assign("chat/1") == "b"


async def test_a_room_of_one_that_is_ending_goes_elsewhere(node: Node) -> None:
    """It will be served no more there."""
    a = node.start("a")
    node.assign("chat/1")
    a.state = ActorState.ENDING
    assert node.assign("chat/1") is None
    node.start("b")
    assert node.assign("chat/1") == "b"


async def test_rooms_of_a_dense_party_share_a_process(node: Node) -> None:
    """Up to as many as the class says, always the emptiest; never with another party."""
    a, b = node.start("a"), node.start("b")
    assert [node.assign(f"dense/{n}") for n in range(4)] == ["a", "a", "a", "b"]
    assert node.assign("chat/1") is None
    node.report(a, "dense/0")
    assert node.assign("dense/5") in ("a", "b")
    node.report(b, "dense/3")
    assert {node.assign("dense/5"), node.assign("dense/6")} <= {"a", "b"}
    node.start("c")
    assert node.assign("chat/1") == "c"
    assert node.assign("dense/7") != "c"


async def test_an_old_version_takes_no_new_room(node: Node) -> None:
    """It serves those it has, and ends when they have left."""
    a = node.start("a")
    node.assign("dense/1")
    node.report(a, "dense/1")
    idle = node.start("b")
    node.pool.deploy(2, OPTIONS)
    assert node.assign("dense/1") == "a"
    assert node.assign("dense/2") is None
    assert node.pool.surplus() == [idle]
    node.now_s = ASSIGNMENT_TIMEOUT_S
    node.report(a)
    assert node.pool.surplus() == [a, idle]
    node.start("c")
    assert node.assign("dense/2") == "c"


async def test_no_more_rooms_are_live_than_may_be(link: Link) -> None:
    """Also when their processes have places left."""
    node = Node(link, live_rooms_max=2)
    node.start("a")
    assert [node.assign(f"dense/{n}") for n in range(3)] == ["a", "a", None]
    assert node.pool.full
    assert node.assign("dense/1") == "a"


async def test_standbys_above_their_number_are_to_end(node: Node) -> None:
    """Those that serve are not counted."""
    a, b, c = (node.start(name) for name in "abc")
    assert node.pool.surplus() == [c]
    node.assign("chat/1")
    assert node.pool.surplus() == []
    assert (a.state, b.state) == (ActorState.SERVING, ActorState.STANDBY)


async def test_as_many_are_started_as_are_missing(node: Node) -> None:
    """The standbys, and one for each room that waits; those on their way count; a few at once."""
    assert node.pool.missing(0) == 2
    assert node.pool.missing(1) == 3
    assert node.pool.missing(100) == STARTING_MAX
    node.pool.add("a", 1)
    assert node.pool.missing(0) == 1
    node.start("b")
    assert node.pool.missing(0) == 0
    node.assign("chat/1")
    assert node.pool.missing(0) == 1
    for name in "cdef":
        node.pool.add(name, 1)
    assert node.pool.missing(100) == 0


async def test_growth_is_measured_from_a_fresh_standby(node: Node) -> None:
    """Not from nothing: an empty room actor is large."""
    a = node.start("a")
    assert a.growth_bytes == 0
    node.report(a, memory_bytes=50)
    assert a.growth_bytes == 0
    node.report(a, "chat/1", memory_bytes=80)
    assert a.growth_bytes == 30
    node.report(a, memory_bytes=40)
    assert a.growth_bytes == 0


async def test_every_reported_room_is_listed_once(node: Node) -> None:
    """With the room actor that has it."""
    a, b = node.start("a"), node.start("b")
    node.report(a, "chat/1")
    node.report(b, "chat/2")
    assert {(record.id, str(room.key)) for record, room in node.pool.rooms()} == {
        ("a", "chat/1"),
        ("b", "chat/2"),
    }
    assert repr(node.pool) == "<Pool 0 starting, 0 standby, 2 serving, 0 ending>"


@pytest.mark.parametrize("seed", range(20))
async def test_no_history_gives_a_room_to_two(link: Link, seed: int) -> None:
    """Starts, reports, deaths, deploys: a room is found where it is, limits are kept."""
    chance = random.Random(seed)
    node = Node(link, standbys=2, live_rooms_max=6)
    pool = node.pool
    for step in range(400):
        node.now_s += chance.random()
        action = chance.randrange(6)
        records = list(pool.actors.values())
        if action == 0:
            for _ in range(pool.missing(chance.randrange(4))):
                node.start(f"actor-{step}-{chance.random()}")
        elif action <= 2:
            name = f"{chance.choice(['chat', 'dense'])}/{chance.randrange(9)}"
            found = pool.assign(key(name), node.now_s)
            if found is not None:
                assert pool.find(key(name)) is found
        elif action == 3 and records:
            record = chance.choice(records)
            kept = [each for each in record.keys if chance.random() < 0.7]
            node.report(record, *map(str, kept))
        elif action == 4 and chance.random() < 0.2 and records:
            pool.remove(chance.choice(records))
        elif action == 5 and chance.random() < 0.1:
            pool.deploy(pool.version + 1, OPTIONS)
        for record in pool.surplus():
            pool.remove(record)

        placed = [each for record in pool.actors.values() for each in record.keys]
        assert len(placed) == len(set(placed)) <= 6
        for record in pool.actors.values():
            limits = {OPTIONS[each.party].rooms_per_actor for each in record.keys}
            assert len(record.keys) <= max(limits, default=0)
            assert len({each.party for each in record.keys}) <= 1
            assert (record.state is ActorState.SERVING) == bool(record.keys)


async def test_rooms_are_counted_as_they_come_and_go(link: Link) -> None:
    """The count that places go by is that of the rooms a room actor has or is about to have."""
    node = Node(link, live_rooms_max=100)
    records = [node.start(f"a{number}") for number in range(3)]
    chance = random.Random(0)
    for _ in range(500):
        node.now_s += 1.0
        if chance.random() < 0.5:
            node.assign(f"dense/{chance.randrange(12)}")
        else:
            record = chance.choice(records)
            names = [str(key) for key in record.keys if chance.random() < 0.6]
            node.report(record, *names)
        assert [record.room_count for record in records] == [len(r.keys) for r in records]


async def test_free_places_are_those_that_no_live_room_has(link: Link) -> None:
    """Rooms that are about to be live count; never fewer than none."""
    node = Node(link, live_rooms_max=2)
    a, b = node.start("a"), node.start("b")
    assert (node.pool.free_places, node.pool.full) == (2, False)
    node.assign("chat/1")
    assert node.pool.free_places == 1
    node.report(a, "chat/1")
    node.assign("chat/2")
    assert (node.pool.free_places, node.pool.full) == (0, True)
    node.report(b, "chat/2", "chat/3")  # placed by an earlier manager, which knew no limit
    assert node.pool.free_places == 0
    node.report(b)
    assert node.pool.free_places == 1
    node.pool.remove(a)
    assert node.pool.free_places == 2


async def test_when_all_retire_no_room_wakes_and_those_that_live_stay(link: Link) -> None:
    """Standbys end; who asks for a live room is told where it is."""
    node = Node(link)
    a = node.start("a")
    node.start("b")
    starting = node.pool.add("c", 1)
    node.assign("chat/1")
    node.report(a, "chat/1")
    node.pool.retire_all()
    node.pool.started(starting, link, "/run/c", node.now_s)
    assert node.assign("chat/2") is None
    assert node.assign("chat/1") == "a"
    assert {record.id for record in node.pool.surplus()} == {"b", "c"}
    node.report(a, "chat/1")
    node.report(a)
    assert a in node.pool.surplus()


async def test_a_room_actor_of_an_earlier_manager_is_used_like_any_other(node: Node) -> None:
    """Rooms share it, and a hook that blocks it has the time of its class."""
    a = node.start("a")
    node.report(a, "dense/1")
    assert node.assign("dense/2") == "a"
    assert node.assign("chat/1") is None
    node.now_s = BLOCKING_GRACE_S + OPTIONS["dense"].handler_s_max
    assert node.pool.stuck(node.now_s, 1e9) == []
    node.now_s += 0.1
    assert node.pool.stuck(node.now_s, 1e9) == [a]


async def test_a_room_gets_the_emptiest_place_that_there_is_whatever_came_before(
    link: Link,
) -> None:
    """By looking at every room actor, which the pool itself does not do for each room."""
    chance = random.Random(20)
    node = Node(link, standbys=5, live_rooms_max=60)
    rooms: dict[str, set[str]] = {}
    for step in range(3000):
        node.now_s += 1.0
        choice = chance.random()
        records = list(node.pool.actors.values())
        if choice < 0.1 and len(records) < 30:
            record = node.start(f"actor-{step}")
            rooms[record.id] = set()
        elif choice < 0.12 and records:
            node.pool.remove(chance.choice(records))
        elif choice < 0.13:
            node.pool.deploy(chance.choice([1, 2]), OPTIONS)
        elif choice < 0.15 and records:
            chance.choice(records).retiring = True
        elif choice < 0.5 and records:
            record = chance.choice(records)
            kept = {name for name in rooms[record.id] if chance.random() < 0.7}
            rooms[record.id] = kept
            node.report(record, *kept)
        else:
            name = f"{chance.choice(['chat', 'dense'])}/{step}"
            fewest = fewest_rooms(node, key(name).party)
            actor_id = node.assign(name)
            if actor_id is None:
                assert fewest is None or node.pool.full
            else:
                assert node.pool.actors[actor_id].room_count - 1 == fewest
                rooms[actor_id].add(name)


def fewest_rooms(node: Node, party: str) -> int | None:
    """In the room actors that could take one of this party, a standby after all others."""
    usable = [record for record in node.pool.actors.values() if not record.retiring]
    shared = [
        record.room_count
        for record in usable
        if record.state is ActorState.SERVING
        and record.party == party
        and record.room_count < OPTIONS[party].rooms_per_actor
    ]
    standby = any(record.state is ActorState.STANDBY for record in usable)
    return min(shared) if shared else 0 if standby else None
