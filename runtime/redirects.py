"""Rooms that are to wake on another node for a while: an operator moves them. Pure.

Whoever asks this node's hibernation manager for such a room is sent to the other node's, also while
the room has not left yet: it must not wake here again in between.
"""

from __future__ import annotations

from typing import NamedTuple

from ..actors.messages import RoomKey

REDIRECTS_MAX = 1000  # past it the oldest is forgotten: that room wakes as any other


class Redirect(NamedTuple):
    """Where a room is to wake, and until when."""

    manager_address: str
    until_s: float


class Redirects:
    """By room."""

    def __init__(self) -> None:
        self._redirects: dict[RoomKey, Redirect] = {}

    def __repr__(self) -> str:
        return f"<Redirects of {len(self._redirects)} rooms>"

    def add(self, key: RoomKey, manager_address: str, until_s: float) -> None:
        """Have a room wake on the node of that manager until then, and on no other."""
        self._redirects.pop(key, None)
        if len(self._redirects) >= REDIRECTS_MAX:
            del self._redirects[next(iter(self._redirects))]
        self._redirects[key] = Redirect(manager_address, until_s)

    def find(self, key: RoomKey, now_s: float) -> str:
        """The manager to ask for a room; empty if that is not said, or no more."""
        redirect = self._redirects.get(key)
        if redirect is None:
            return ""
        if now_s >= redirect.until_s:
            del self._redirects[key]
            return ""
        return redirect.manager_address
