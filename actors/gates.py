"""The output gate: nothing leaves a room before the writes made earlier are durable.

Every frame that a room sends passes here. It leaves at once when no write is pending, otherwise
it waits, in order, for the flush that carries the newest write made before it. When a flush fails
for good the room is reset and what waited is dropped: nobody ever sees the effect of a lost
write. (The rule is the one of Durable Objects' output gate.)
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

HELD_BYTES_MAX = 8 * 1024 * 1024  # above it a room handles no further event until a flush is done


class Sink(Protocol):
    """Where frames leave: a link, or a line to other rooms."""

    def write(self, frame: bytes) -> None: ...


class Durability(Protocol):
    """What the gate needs to know of the storage."""

    @property
    def gate(self) -> int:
        """The newest flush that carries a write which must be confirmed."""

    @property
    def durable(self) -> int:
        """Every flush up to this one is durable."""


class OutputGate:
    """Frames of one room on their way out."""

    __slots__ = ("_held", "_shut", "_storage", "held_bytes")

    def __init__(self, storage: Durability) -> None:
        self._storage = storage
        self._held: deque[tuple[int, Sink, bytes]] = deque()
        self._shut = False
        self.held_bytes = 0

    def __repr__(self) -> str:
        return f"<OutputGate {len(self._held)} held>"

    @property
    def full(self) -> bool:
        """Whether so much waits that the room should not go on."""
        return self.held_bytes > HELD_BYTES_MAX

    def send(self, sink: Sink, frame: bytes) -> None:
        """Let `frame` out once every write made before this call is durable."""
        if self._shut:
            return
        storage = self._storage
        if not self._held and storage.durable >= storage.gate:
            sink.write(frame)
            return
        self._held.append((storage.gate, sink, frame))
        self.held_bytes += len(frame)

    def release(self) -> None:
        """Let out what the storage's progress allows; called whenever `durable` has grown."""
        held, durable = self._held, self._storage.durable
        while held and held[0][0] <= durable:
            _, sink, frame = held.popleft()
            self.held_bytes -= len(frame)
            sink.write(frame)

    def shut(self) -> list[tuple[Sink, bytes]]:
        """Drop what waits, and everything from now on: the room is reset. Returns what waited."""
        self._shut = True
        dropped = [(sink, frame) for _, sink, frame in self._held]
        self._held.clear()
        self.held_bytes = 0
        return dropped
