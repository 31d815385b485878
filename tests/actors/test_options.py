"""The options of a room class: what may be given, and what is said about the rest."""

from __future__ import annotations

import math
from typing import Any

import pytest
from parlour.actors.cors import Cors
from parlour.actors.options import ROOMS_PER_ACTOR_MAX, InvalidOption, RoomOptions, options_of
from parlour.actors.resources import NO_RESOURCES, ActorResources
from parlour.actors.room import Room

DEFAULTS: dict[str, Any] = {
    "hibernate_after": 10.0,
    "hibernate": True,
    "max_lifetime": None,
    "memory_limit": 256 * 1024 * 1024,
    "rooms_per_actor": 1,
    "interleave": False,
    "handler_timeout": 30.0,
    "send_buffer": 4 * 1024 * 1024,
    "slow_client": "close",
    "body_limit": 16 * 1024 * 1024,
    "stream_bodies": False,
    "cors": False,
    "num_cpus": 0,
    "num_gpus": 0,
    "memory": 0,
    "resources": {},
}


def options(**given: Any) -> RoomOptions:
    """The options of a class that gives these."""
    return options_of(type("Chat", (Room,), given))


def test_a_class_that_says_nothing_has_the_options_of_room() -> None:
    """As they are documented."""
    assert {name: getattr(Room, name) for name in DEFAULTS} == DEFAULTS
    assert options() == options(**DEFAULTS)


def test_what_is_given_is_taken() -> None:
    """Whole numbers of seconds are seconds; the limits themselves are allowed."""
    assert options(hibernate_after=3).hibernate_after_s == 3.0
    assert options(hibernate=False).hibernate_with_connections is False
    assert options(max_lifetime=0.5).lifetime_s_max == 0.5
    assert options(memory_limit=1).memory_bytes_max == 1
    assert options(rooms_per_actor=ROOMS_PER_ACTOR_MAX).rooms_per_actor == ROOMS_PER_ACTOR_MAX
    assert options(interleave=True).interleave is True
    assert options(handler_timeout=1e9).handler_s_max == 1e9
    assert options(send_buffer=1 << 16).send_buffer_bytes_max == 1 << 16
    assert options(slow_client="drop_oldest").drop_oldest is True
    assert options(body_limit=1).body_bytes_max == 1
    assert options(stream_bodies=True).stream_bodies is True
    assert options(cors=True).cors == Cors()


def test_options_are_inherited() -> None:
    """From a base class of the project's own."""

    class Base(Room):
        hibernate_after = 3

    class Chat(Base):
        interleave = True

    assert options_of(Chat) == options(hibernate_after=3, interleave=True)


@pytest.mark.parametrize("name", ["hibernate_after", "max_lifetime", "handler_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), "10", True, [], b"1"])
def test_seconds_are_a_number_above_nothing(name: str, value: Any) -> None:
    """The error names class, option, what was given and what is allowed."""
    with pytest.raises(InvalidOption, match=f"Chat.{name} = .* a number of seconds above 0") as e:
        options(**{name: value})
    assert repr(value) in str(e.value)


@pytest.mark.parametrize("name", ["hibernate_after", "handler_timeout"])
def test_only_a_lifetime_may_be_without_an_end(name: str) -> None:
    """None is no number of seconds elsewhere."""
    with pytest.raises(InvalidOption):
        options(**{name: None})


@pytest.mark.parametrize("name", ["rooms_per_actor", "memory_limit", "body_limit"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "1", True, None, 2**60])
def test_counts_are_whole_numbers_in_their_limits(name: str, value: Any) -> None:
    """Neither nothing nor without bound."""
    with pytest.raises(InvalidOption, match=f"Chat.{name} = .* a whole number, 1 to "):
        options(**{name: value})


@pytest.mark.parametrize("name", ["hibernate", "interleave", "stream_bodies"])
@pytest.mark.parametrize("value", [0, 1, None, "yes", 3.0])
def test_flags_are_true_or_false(name: str, value: Any) -> None:
    """`hibernate = 30` is a mistake that would be silent otherwise."""
    with pytest.raises(InvalidOption, match=f"Chat.{name} = .* True or False"):
        options(**{name: value})


@pytest.mark.parametrize("value", [1, 65_535, 2**40, "1"])
def test_a_send_buffer_is_at_least_what_a_transport_takes(value: Any) -> None:
    """Less would close clients that read."""
    with pytest.raises(InvalidOption, match="Chat.send_buffer = .* a whole number, 65536 to "):
        options(send_buffer=value)


@pytest.mark.parametrize("value", ["drop", None, True, "DROP_OLDEST"])
def test_a_policy_that_there_is_not_is_refused(value: Any) -> None:
    """Naming those that there are."""
    with pytest.raises(InvalidOption, match="slow_client = .* 'close' or 'drop_oldest'"):
        options(slow_client=value)


def test_a_cors_option_that_says_nothing_is_refused() -> None:
    """With what it may be."""
    with pytest.raises(InvalidOption, match="Chat.cors = 'https://x' .* a list of origins"):
        options(cors="https://x")


def test_resources_are_taken_as_ray_counts_them() -> None:
    """Parts of a processor or a GPU, whole bytes, and what nodes were given by name."""
    assert options().resources == NO_RESOURCES
    assert options(num_cpus=0.5).resources == ActorResources(num_cpus=0.5)
    given = options(num_gpus=2, memory=2**30, resources={"tpu": 1, "fast_disk": 0.5})
    assert given.resources == ActorResources(0.0, 2.0, 2**30, (("fast_disk", 0.5), ("tpu", 1.0)))


@pytest.mark.parametrize("name", ["num_cpus", "num_gpus"])
@pytest.mark.parametrize("value", [-1, 0.00001, math.inf, math.nan, "1", True, False, None])
def test_processors_are_an_amount(name: str, value: Any) -> None:
    """Nothing, or as much as Ray can count."""
    with pytest.raises(InvalidOption, match=f"Chat.{name} = .* must be 0 or a number of at least"):
        options(**{name: value})


def test_several_gpus_are_whole_ones() -> None:
    """As Ray hands them out."""
    with pytest.raises(InvalidOption, match=r"Chat.num_gpus = 1.5 .* a whole number of them"):
        options(num_gpus=1.5)


@pytest.mark.parametrize("value", [-1, 0.5, "1 GiB", True, None, 2**60])
def test_memory_is_a_whole_number_of_bytes(value: Any) -> None:
    """Not of anything else, and not without bound."""
    with pytest.raises(InvalidOption, match=r"Chat.memory = .* a whole number of bytes"):
        options(memory=value)


@pytest.mark.parametrize(
    "value", ["tpu", ["tpu"], {"tpu": 0}, {"tpu": "1"}, {"tpu": True}, {1: 1}, {"": 1}, None]
)
def test_resources_are_names_with_amounts(value: Any) -> None:
    """Each of them something."""
    with pytest.raises(InvalidOption, match=r"Chat.resources = .* a dict of names with numbers"):
        options(resources=value)


@pytest.mark.parametrize("name", ["CPU", "GPU", "memory", "object_store_memory"])
def test_what_has_an_option_of_its_own_is_no_other_resource(name: str) -> None:
    """The error says which option it is."""
    with pytest.raises(InvalidOption, match="there are num_cpus, num_gpus and memory"):
        options(resources={name: 1})
