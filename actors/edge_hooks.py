"""Edge hooks: what a room class says of requests before they reach a room, or that are for none.

They are static or class methods: there is no room yet, and so no storage. They run in the edge
(`edge.py`), a process beside the rooms, and only there.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .asgi import AsgiSite

BEFORE_CONNECT, BEFORE_REQUEST = "on_before_connect", "on_before_request"
FETCH, CRON = "on_fetch", "on_cron"
EDGE_HOOKS = (BEFORE_CONNECT, BEFORE_REQUEST, FETCH, CRON)
OF_MAIN_ALONE = frozenset({FETCH, CRON})


@dataclass(frozen=True)
class Lobby:
    """Where an edge hook runs: before the rooms of a party.

    Attributes:
        id: The room that is asked for; None in `on_fetch` and `on_cron`.
        name: The party.
        env: The project's variables, as `Room.env`.
    """

    id: str | None
    name: str
    env: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Cron:
    """What `on_cron` is told.

    Attributes:
        name, expression: As in the project's `parlour.toml`.
        scheduled_at: The tick, in UTC; the hook may run later.
    """

    name: str
    expression: str
    scheduled_at: datetime


def edge_hooks_of(room_class: type) -> frozenset[str]:
    """The edge hooks that a class has.

    Raises:
        TypeError: If one is no static or class method; its arguments are the hook and its value.
    """
    found = set()
    for name in EDGE_HOOKS:
        value = inspect.getattr_static(room_class, name, None)
        if value is None:
            continue
        if not _needs_no_room(value):
            raise TypeError(name, value)
        found.add(name)
    return frozenset(found)


def _needs_no_room(value: Any) -> bool:
    return isinstance(value, staticmethod | classmethod | AsgiSite)
