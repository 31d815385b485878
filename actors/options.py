"""The options of a room class: plain class attributes, read and checked when it is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .edge_hooks import edge_hooks_of

if TYPE_CHECKING:
    from .room import Room

ROOMS_PER_ACTOR_MAX = 10_000


class InvalidOption(ValueError):
    """A class option that cannot be used; says what is allowed."""

    def __init__(self, room_class: str, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{room_class}.{name} = {value!r} was given; it must be {allowed}")


class RoomOptions(msgspec.Struct, frozen=True):
    """What the hibernation manager and the room actor need of a room class."""

    hibernate_after_s: float
    hibernate_with_connections: bool
    lifetime_s_max: float | None
    memory_bytes_max: int
    rooms_per_actor: int
    interleave: bool
    handler_s_max: float
    edge_hooks: frozenset[str] = frozenset()  # those that it has


def options_of(room_class: type[Room]) -> RoomOptions:
    """The options of a class.

    Raises:
        InvalidOption: Naming the option, what was given and what is allowed.
    """

    def seconds(name: str) -> float:
        value = getattr(room_class, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise InvalidOption(room_class.__name__, name, value, "a number of seconds above 0")
        return float(value)

    def count(name: str, most: int) -> int:
        value = getattr(room_class, name)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise InvalidOption(room_class.__name__, name, value, f"a whole number, 1 to {most}")
        return value

    def flag(name: str) -> bool:
        value = getattr(room_class, name)
        if not isinstance(value, bool):
            raise InvalidOption(room_class.__name__, name, value, "True or False")
        return value

    try:
        edge_hooks = edge_hooks_of(room_class)
    except TypeError as error:
        name, value = error.args
        allowed = "a @staticmethod or @classmethod: it runs before there is a room"
        raise InvalidOption(room_class.__name__, name, value, allowed) from error
    return RoomOptions(
        hibernate_after_s=seconds("hibernate_after"),
        hibernate_with_connections=flag("hibernate"),
        lifetime_s_max=None if room_class.max_lifetime is None else seconds("max_lifetime"),
        memory_bytes_max=count("memory_limit", 2**40),
        rooms_per_actor=count("rooms_per_actor", ROOMS_PER_ACTOR_MAX),
        interleave=flag("interleave"),
        handler_s_max=seconds("handler_timeout"),
        edge_hooks=edge_hooks,
    )
