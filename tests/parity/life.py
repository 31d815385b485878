"""A room that writes down its life, for the tests of the rows."""

from __future__ import annotations

from typing import Any

from parlour import AlarmInfo, Connection, Room


class Life(Room):
    """Notes what happens to it, in the order in which it does."""

    notes: list[Any] = []

    def __init_subclass__(cls) -> None:
        cls.notes = []

    def __init__(self) -> None:
        self.notes.append(("init", self.id, self.name, self.storage is not None))

    def on_start(self) -> Any:
        self.notes.append("start")

    def on_message(self, connection: Connection, message: str | bytes) -> Any:
        self.notes.append(message)

    def on_alarm(self, info: AlarmInfo) -> Any:
        self.notes.append(("alarm", self.id, self.name))

    def on_stop(self, reason: str) -> Any:
        self.notes.append(("stop", reason))
