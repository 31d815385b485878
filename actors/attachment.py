"""A gateway that is attached to a room: its link, its connections and how far its events are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .link import Link

if TYPE_CHECKING:
    from .connection import Connection


class Attachment:
    """One gateway's channel to one room."""

    __slots__ = (
        "_begun",
        "_under_way",
        "address",
        "careful_until",
        "channel",
        "connections",
        "finished",
        "gateway_id",
        "link",
        "reported",
    )

    def __init__(
        self,
        link: Link,
        channel: int,
        gateway_id: str,
        careful_until: int,
        address: str = "",
    ) -> None:
        """`address` is where the gateway can be summoned; empty where it is the only one."""
        self.link = link
        self.channel = channel
        self.gateway_id = gateway_id
        self.address = address
        self.careful_until = careful_until
        self.connections: dict[int, Connection] = {}
        self.finished = 0  # every event up to this one is handled
        self.reported = 0  # the last event that the gateway was told is done
        self._begun = 0
        self._under_way: set[int] = set()  # interleaved events

    def __repr__(self) -> str:
        return f"<Attachment of {self.gateway_id}, {len(self.connections)} connections>"

    def begin(self, sequence: int) -> None:
        """An event begins while others may be under way."""
        if sequence:
            self._begun = sequence
            self._under_way.add(sequence)

    def end(self, sequence: int) -> None:
        """It has ended; those before it may not have."""
        if sequence:
            self._under_way.discard(sequence)
            self.finished = min(self._under_way) - 1 if self._under_way else self._begun
