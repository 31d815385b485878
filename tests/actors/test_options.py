"""The options of a room class: what may be given, and what is said about the rest."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors.options import ROOMS_PER_ACTOR_MAX, InvalidOption, RoomOptions, options_of
from parlour.actors.room import Room

DEFAULTS = {
    "hibernate_after": 10.0,
    "hibernate": True,
    "max_lifetime": None,
    "memory_limit": 128 * 1024 * 1024,
    "rooms_per_actor": 1,
    "interleave": False,
    "handler_timeout": 30.0,
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


@pytest.mark.parametrize("name", ["rooms_per_actor", "memory_limit"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "1", True, None, 2**60])
def test_counts_are_whole_numbers_in_their_limits(name: str, value: Any) -> None:
    """Neither nothing nor without bound."""
    with pytest.raises(InvalidOption, match=f"Chat.{name} = .* a whole number, 1 to "):
        options(**{name: value})


@pytest.mark.parametrize("name", ["hibernate", "interleave"])
@pytest.mark.parametrize("value", [0, 1, None, "yes", 3.0])
def test_flags_are_true_or_false(name: str, value: Any) -> None:
    """`hibernate = 30` is a mistake that would be silent otherwise."""
    with pytest.raises(InvalidOption, match=f"Chat.{name} = .* True or False"):
        options(**{name: value})
