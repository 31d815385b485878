"""The options of a room class: plain class attributes, read and checked when it is deployed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from .cors import Cors, cors_of
from .edge_hooks import edge_hooks_of
from .resources import NO_RESOURCES, ActorResources

if TYPE_CHECKING:
    from .room import Room

ROOMS_PER_ACTOR_MAX = 10_000
RESOURCE_MIN = 0.0001  # of one resource: Ray counts in such pieces
_RAY_NAMES = frozenset({"CPU", "GPU", "memory", "object_store_memory"})
BODY_BYTES_MAX = 64 * 1024 * 1024  # that a class may have kept in memory whole
SEND_BUFFER_BYTES_MIN = 64 * 1024  # that a transport takes before it says that it is full
SEND_BUFFER_BYTES_MAX = 1024 * 1024 * 1024
SLOW_CLIENT_POLICIES = ("close", "drop_oldest")


class InvalidOption(ValueError):
    """A class option that cannot be used; says what is allowed."""

    def __init__(self, room_class: str, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{room_class}.{name} = {value!r} was given; it must be {allowed}")


class RoomOptions(msgspec.Struct, frozen=True):
    """What hibernation manager, room actor and gateway need of a room class."""

    hibernate_after_s: float
    hibernate_with_connections: bool
    lifetime_s_max: float | None
    memory_bytes_max: int
    rooms_per_actor: int
    interleave: bool
    handler_s_max: float
    edge_hooks: frozenset[str] = frozenset()  # those that it has
    send_buffer_bytes_max: int = 4 * 1024 * 1024
    drop_oldest: bool = False  # of what a slow client is sent; otherwise it is closed
    body_bytes_max: int = 16 * 1024 * 1024  # of a request's body that is kept whole
    stream_bodies: bool = False
    cors: Cors | None = None
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

    def count(name: str, most: int, least: int = 1) -> int:
        value = getattr(room_class, name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            allowed = f"a whole number, {least} to {most}"
            raise InvalidOption(room_class.__name__, name, value, allowed)
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
    if room_class.slow_client not in SLOW_CLIENT_POLICIES:
        allowed = " or ".join(map(repr, SLOW_CLIENT_POLICIES))
        raise InvalidOption(room_class.__name__, "slow_client", room_class.slow_client, allowed)
    try:
        cors = cors_of(room_class.cors)
    except ValueError as error:
        raise InvalidOption(room_class.__name__, "cors", room_class.cors, str(error)) from error
    return RoomOptions(
        hibernate_after_s=seconds("hibernate_after"),
        hibernate_with_connections=flag("hibernate"),
        lifetime_s_max=None if room_class.max_lifetime is None else seconds("max_lifetime"),
        memory_bytes_max=count("memory_limit", 2**40),
        rooms_per_actor=count("rooms_per_actor", ROOMS_PER_ACTOR_MAX),
        interleave=flag("interleave"),
        handler_s_max=seconds("handler_timeout"),
        edge_hooks=edge_hooks,
        send_buffer_bytes_max=count("send_buffer", SEND_BUFFER_BYTES_MAX, SEND_BUFFER_BYTES_MIN),
        drop_oldest=room_class.slow_client == "drop_oldest",
        body_bytes_max=count("body_limit", BODY_BYTES_MAX),
        stream_bodies=flag("stream_bodies"),
        cors=cors,
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
