"""What the storage calls work on: a space itself, or a transaction's buffer over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .alarms import Alarm
from .cache import Found, Known


class View(Protocol):
    """A state of the keys that shows earlier writes and takes new ones. Nothing here waits."""

    @property
    def alarms(self) -> Mapping[str, Alarm]:
        """The alarms by name. Not to be changed."""
        ...

    def lookup(self, key: str) -> Found:
        """Tell the encoded value, None if there is no such key, or UNKNOWN."""
        ...

    def overlay(self, low: str, high: str | None) -> tuple[dict[str, Known], bool]:
        """Copy what lies over Redis with low <= key < high; tell whether it hides all of Redis."""
        ...

    def write(self, entries: Mapping[str, Known], *, confirm: bool) -> None:
        """Set keys, or delete those with None. `confirm`: nothing leaves before it is durable."""
        ...

    def clear(self, *, confirm: bool) -> None:
        """Delete all keys and alarms."""
        ...

    def set_alarm(self, name: str, alarm: Alarm | None, *, confirm: bool) -> None:
        """Set an alarm, or delete it."""
        ...
