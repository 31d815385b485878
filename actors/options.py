"""The options of a room class: plain class attributes, read and checked when it is deployed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from .resources import NO_RESOURCES, ActorResources

if TYPE_CHECKING:
    from .room import Room

ROOMS_PER_ACTOR_MAX = 10_000
RESOURCE_MIN = 0.0001  # of one resource: Ray counts in such pieces
_RAY_NAMES = frozenset({"CPU", "GPU", "memory", "object_store_memory"})


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
    resources: ActorResources = NO_RESOURCES


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

    return RoomOptions(
        hibernate_after_s=seconds("hibernate_after"),
        hibernate_with_connections=flag("hibernate"),
        lifetime_s_max=None if room_class.max_lifetime is None else seconds("max_lifetime"),
        memory_bytes_max=count("memory_limit", 2**40),
        rooms_per_actor=count("rooms_per_actor", ROOMS_PER_ACTOR_MAX),
        interleave=flag("interleave"),
        handler_s_max=seconds("handler_timeout"),
        resources=_resources_of(room_class),
    )


def _resources_of(room_class: type[Room]) -> ActorResources:
    def amount(name: str) -> float:
        value = getattr(room_class, name)
        if isinstance(value, bool) or (value != 0 and not _is_amount(value)):
            allowed = f"0 or a number of at least {RESOURCE_MIN}"
            raise InvalidOption(room_class.__name__, name, value, allowed)
        return float(value)

    num_gpus = amount("num_gpus")
    if num_gpus > 1 and num_gpus != int(num_gpus):
        allowed = "a part of one GPU or a whole number of them"
        raise InvalidOption(room_class.__name__, "num_gpus", room_class.num_gpus, allowed)
    memory = room_class.memory
    if isinstance(memory, bool) or not isinstance(memory, int) or not 0 <= memory <= 2**50:
        raise InvalidOption(room_class.__name__, "memory", memory, "a whole number of bytes")
    return ActorResources(amount("num_cpus"), num_gpus, memory, _custom_resources_of(room_class))


def _custom_resources_of(room_class: type[Room]) -> tuple[tuple[str, float], ...]:
    given = room_class.resources
    if (
        not isinstance(given, Mapping)
        or not all(isinstance(name, str) and name for name in given)
        or not all(map(_is_amount, given.values()))
    ):
        allowed = f"a dict of names with numbers of at least {RESOURCE_MIN}"
        raise InvalidOption(room_class.__name__, "resources", given, allowed)
    if _RAY_NAMES & given.keys():
        allowed = "without CPU, GPU and memory: for those there are num_cpus, num_gpus and memory"
        raise InvalidOption(room_class.__name__, "resources", given, allowed)
    return tuple(sorted((name, float(value)) for name, value in given.items()))


def _is_amount(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and RESOURCE_MIN <= value < math.inf  # type: ignore[operator]
