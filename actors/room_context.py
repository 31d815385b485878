"""The few things that a room needs from what runs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from ..storage import Storage

if TYPE_CHECKING:
    from .alarms import RoomAlarms
    from .calls import RoomCalls
    from .connection import Connection
    from .messages import RoomKey


class RoomContext(Protocol):
    """What runs a room, as the room sees it: `LiveRoom`."""

    @property
    def key(self) -> RoomKey: ...

    @property
    def storage(self) -> Storage: ...

    @property
    def alarms(self) -> RoomAlarms: ...

    @property
    def env(self) -> Mapping[str, str]: ...

    @property
    def calls(self) -> RoomCalls: ...

    def open_connections(self) -> list[Connection]: ...

    def connection(self, connection_id: str) -> Connection | None: ...

    def broadcast(self, message: str | bytes, without: Iterable[str]) -> None: ...

    def set_auto_response(self, request: str | None, response: str) -> None: ...
