"""Who leaves its process, and why: case by case."""

from __future__ import annotations

from parlour.actors.messages import RoomKey
from parlour.actors.options import RoomOptions, options_of
from parlour.actors.resources import ActorResources
from parlour.actors.room import Room
from parlour.runtime.hibernation import NodeSnapshot, RoomSnapshot, departures

NOW_S = 1000.0


class Chat(Room):
    """Options as they are without a word."""


class Stays(Room):
    """Stays while somebody is connected; lives for a minute."""

    hibernate = False
    max_lifetime = 60.0
    memory_limit = 1000


class Draws(Room):
    """Holds a GPU."""

    num_gpus = 1


OPTIONS: dict[str, RoomOptions] = {
    "chat": options_of(Chat),
    "stays": options_of(Stays),
    "draws": options_of(Draws),
}


def room(
    name: str,
    idle_s: float = 0.0,
    *,
    busy: bool = False,
    connections: int = 0,
    age_s: float = 30.0,
    growth_bytes: int = 0,
    neighbours: int = 1,
) -> RoomSnapshot:
    """A live room `party/id`."""
    return RoomSnapshot(
        RoomKey(*name.split("/")),
        not busy,
        connections,
        NOW_S - age_s,
        NOW_S - idle_s,
        growth_bytes,
        neighbours,
    )


def leave(
    *rooms: RoomSnapshot,
    places_wanted: int = 0,
    short_of_memory: bool = False,
    resources_wanted: dict[ActorResources, int] | None = None,
) -> list[tuple[str, str]]:
    """Who leaves, and why."""
    node = NodeSnapshot(NOW_S, rooms, places_wanted, short_of_memory, resources_wanted or {})
    return [(str(each.key), each.reason) for each in departures(node, OPTIONS)]


def test_a_node_without_rooms_sends_nobody_away() -> None:
    """Whatever is wanted."""
    assert leave(places_wanted=5, short_of_memory=True) == []


def test_a_room_hibernates_when_it_was_idle_as_long_as_its_class_says() -> None:
    """Ten seconds by default: at them, not before."""
    assert leave(room("chat/a", 9.9), room("chat/b", 10.0), room("chat/c", 500.0)) == [
        ("chat/b", "hibernate"),
        ("chat/c", "hibernate"),
    ]


def test_a_busy_room_never_hibernates() -> None:
    """Not for idleness, not for a place, not for memory."""
    assert leave(room("chat/a", 500.0, busy=True), places_wanted=5, short_of_memory=True) == []


def test_a_room_with_connections_hibernates_like_any_other() -> None:
    """Its sockets stay open."""
    assert leave(room("chat/a", 10.0, connections=7)) == [("chat/a", "hibernate")]


def test_a_class_may_keep_its_rooms_while_they_have_connections() -> None:
    """Not for idleness, nor for a place; without a connection it goes."""
    connected, alone = room("stays/a", 50.0, connections=1), room("stays/b", 50.0)
    assert leave(connected, alone, places_wanted=2, short_of_memory=True) == [
        ("stays/b", "hibernate")
    ]


def test_those_idle_longest_give_up_their_places_first() -> None:
    """As many as are wanted, and no more."""
    rooms = [room("chat/a", 3.0), room("chat/b", 5.0), room("chat/c", 1.0), room("chat/d", 4.0)]
    assert leave(*rooms, places_wanted=2) == [("chat/b", "hibernate"), ("chat/d", "hibernate")]
    assert leave(*rooms, places_wanted=0) == []
    assert leave(*rooms, places_wanted=-3) == []
    assert len(leave(*rooms, places_wanted=100)) == 4


def test_who_goes_anyway_counts_as_a_place() -> None:
    """Nobody else is sent away for it."""
    rooms = [room("chat/old", 20.0), room("chat/a", 5.0), room("chat/b", 3.0)]
    assert leave(*rooms, places_wanted=1) == [("chat/old", "hibernate")]
    assert leave(*rooms, places_wanted=2) == [("chat/old", "hibernate"), ("chat/a", "hibernate")]


def test_a_node_short_of_memory_sends_a_share_away_at_each_look() -> None:
    """One in ten of the idle, at least one, the longest idle first."""
    rooms = [room(f"chat/{number}", number / 10) for number in range(25)]
    assert leave(*rooms, short_of_memory=True) == [
        ("chat/24", "hibernate"),
        ("chat/23", "hibernate"),
        ("chat/22", "hibernate"),
    ]
    assert leave(room("chat/a", 1.0), short_of_memory=True) == [("chat/a", "hibernate")]


def test_a_room_past_its_lifetime_leaves_busy_or_not() -> None:
    """Connections or not; a class without one lives for ever."""
    assert leave(
        room("stays/a", 1.0, age_s=59.0, connections=1),
        room("stays/b", 1.0, age_s=60.0, connections=1),
        room("stays/c", 0.0, age_s=90.0, busy=True),
        room("chat/d", 1.0, age_s=1e9),
    ) == [("stays/b", "lifetime"), ("stays/c", "lifetime")]


def test_a_room_whose_process_has_grown_too_far_is_reset() -> None:
    """Past the limit, not at it; what is allowed grows with the rooms of the process."""
    assert leave(
        room("stays/a", growth_bytes=1000, connections=1),
        room("stays/b", growth_bytes=1001, connections=1),
        room("stays/c", growth_bytes=3000, neighbours=3, busy=True),
        room("stays/d", growth_bytes=3001, neighbours=3, busy=True),
    ) == [("stays/b", "memory"), ("stays/d", "memory")]


def test_a_room_leaves_once_for_the_first_of_its_reasons() -> None:
    """Never twice, however many there are."""
    old_fat_idle = room("stays/a", 500.0, age_s=500.0, growth_bytes=10**9)
    assert leave(old_fat_idle, places_wanted=5, short_of_memory=True) == [("stays/a", "lifetime")]


def test_rooms_give_up_their_places_to_those_that_it_helps() -> None:
    """What waits for a GPU needs one that holds some of it, what needs none another process."""
    rooms = [room("chat/a", 5.0), room("draws/b", 9.0), room("draws/c", 4.0)]
    gpu, disk = ActorResources(num_gpus=1.0), ActorResources(custom=(("disk", 1.0),))
    assert leave(*rooms, places_wanted=2) == [("chat/a", "hibernate")]
    assert leave(*rooms, resources_wanted={gpu: 1}) == [("draws/b", "hibernate")]
    assert leave(*rooms, resources_wanted={disk: 5}) == []
    both = ActorResources(num_gpus=0.5, num_cpus=4.0)
    assert len(leave(*rooms, resources_wanted={both: 9})) == 2
    assert leave(room("draws/old", 20.0), *rooms, resources_wanted={gpu: 1}) == [
        ("draws/old", "hibernate")
    ]
