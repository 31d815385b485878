"""A route: what a gateway knows of one room. Pure; `router.py` does the sending.

A route keeps every event until the room reports it done. So a room may hibernate, move or crash
at any moment: what it had not finished is sent again, in order, to the room actor that has the
room next, and that one skips what its storage says is done.

When a process died on a room's events, nobody knows on which of them. They are sent again with
the demand to be handled one by one (`careful_until`), each announced before it begins; if the
process dies once more, the one that had begun is given up, and no other.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from ..actors.frames import CLOSED, Kind
from ..actors.link import Link
from ..actors.messages import ConnectionRecord, RoomKey

PENDING_EVENTS_MAX = 8192  # past it, the sockets that add more are not read
PENDING_BYTES_MAX = 16 * 1024 * 1024
REFUSE_FACTOR = 2  # past this many times those limits, connections and requests are refused


class PendingEvent(msgspec.Struct, gc=False):
    """An event that the room has not reported done."""

    kind: int
    number: int
    sequence: int
    payload: bytes


class Held(NamedTuple):
    """A connection, and the sequence of its CONNECT."""

    record: ConnectionRecord
    sequence: int


class Socket(Protocol):
    """A client's socket, as a route needs it."""

    number: int

    def write_frame(self, frame: bytes) -> None:
        """Send a WebSocket frame that is already built."""

    def pause(self) -> None:
        """Stop reading."""

    def resume(self) -> None:
        """Read on."""


class Route:
    """One room of one gateway."""

    def __init__(self, key: RoomKey) -> None:
        self.key = key
        self.link: Link | None = None  # to the room actor, while attached
        self.address = ""  # of the room actor that was attached to last
        self.absent_at = ""  # the address where the room was last said to be and was not
        self.channel = 0
        self.placing = False  # the router is looking for a room actor
        self.sockets: dict[int, Socket] = {}  # those the room has taken: broadcasts go to them
        # A list, although it is emptied from its front: an empty deque takes 700 bytes, and most
        # rooms of a gateway hibernate.
        self.pending: list[PendingEvent] = []
        self.failures = 0  # in a row, for the backoff
        self.give_up_s: float | None = None  # when what waits is failed; None while the room lives
        self.careful_until = 0
        self._trying = 0  # the last event that was announced
        self.auto_response: tuple[bytes, bytes] | None = None  # text, and the frame that answers
        self._pending_bytes = 0
        self._connections: dict[int, Held] = {}
        self._paused: dict[Socket, None] = {}  # a set takes 200 bytes more while it is empty

    def __repr__(self) -> str:
        state = "attached" if self.link else "placing" if self.placing else "absent"
        return (
            f"<Route {self.key} {state}, {len(self._connections)} connections, {self._waiting()}>"
        )

    def _waiting(self) -> str:
        return f"{len(self.pending)} pending"

    @property
    def unused(self) -> bool:
        """Nothing of this room is left at this gateway."""
        return not (self._connections or self.pending or self.link or self.placing)

    @property
    def has_connections(self) -> bool:
        """Whether clients of the room are here."""
        return bool(self._connections)

    @property
    def crowded(self) -> bool:
        """Whether so much waits that sockets should not be read."""
        return len(self.pending) > PENDING_EVENTS_MAX or self._pending_bytes > PENDING_BYTES_MAX

    @property
    def refusing(self) -> bool:
        """Whether so much waits that nothing new is let in."""
        return (
            len(self.pending) > REFUSE_FACTOR * PENDING_EVENTS_MAX
            or self._pending_bytes > REFUSE_FACTOR * PENDING_BYTES_MAX
        )

    @property
    def alarm_pending(self) -> bool:
        """Whether the room was told that an alarm is due, and has not said that it is done."""
        return any(event.kind == Kind.ALARM for event in self.pending)

    # Events

    def add(self, event: PendingEvent, source: Socket | None = None) -> None:
        """Keep an event until it is done; stop reading its source if too much waits."""
        self.pending.append(event)
        self._pending_bytes += len(event.payload)
        if source is not None and self.crowded:
            source.pause()
            self._paused[source] = None

    def add_connection(self, record: ConnectionRecord, sequence: int) -> None:
        """Keep a connection whose CONNECT is the event `sequence`."""
        self._connections[record.number] = Held(record, sequence)

    def record(self, number: int) -> ConnectionRecord | None:
        """What is kept of a connection."""
        held = self._connections.get(number)
        return held.record if held is not None else None

    def done(self, sequence: int) -> None:
        """Every event up to this one is finished."""
        count = 0
        for event in self.pending:
            if event.sequence > sequence:
                break
            self._forget(event)
            count += 1
        del self.pending[:count]
        self._let_read()
        self.failures = 0

    def try_event(self, sequence: int) -> None:
        """The room begins with an event that may kill it; those before it are finished."""
        self.done(sequence - 1)
        self._trying = sequence

    def set_aside_closes(self) -> list[PendingEvent]:
        """Take out the ends of connections that the room has met."""
        first = self.pending[0].sequence if self.pending else 0
        kept = [
            event
            for event in self.pending
            if event.kind == Kind.CLOSED
            and event.number in self._connections
            and self._connections[event.number].sequence < first
        ]
        self.pending = [event for event in self.pending if event not in kept]
        return kept

    def take_back(self, events: list[PendingEvent]) -> None:
        """Let them be pending again."""
        self.pending[:0] = events

    def give_up_first(self) -> PendingEvent | None:
        """Drop the oldest event that is not done, and return it."""
        if not self.pending:
            return None
        event = self.pending.pop(0)
        self._forget(event)
        if event.kind == Kind.CONNECT:
            # No room has met this client, so none shall hear of it.
            self._forget_connection(event.number)
        self._let_read()
        return event

    def _forget(self, event: PendingEvent) -> None:
        self._pending_bytes -= len(event.payload)
        if event.kind == CLOSED:
            self._forget_connection(event.number)

    def _forget_connection(self, number: int) -> None:
        self._connections.pop(number, None)

    def _let_read(self) -> None:
        if self._paused and not self.crowded:
            for socket in self._paused:
                socket.resume()
            self._paused.clear()

    # Attaching

    def attach(self, link: Link, channel: int, address: str = "") -> list[ConnectionRecord]:
        """Belong to a room actor from now on; returns the connections that the room knows.

        A connection whose CONNECT is still pending is not among them: the room will meet it anew.
        Nor is one that a newer one has replaced: the room was done with it when it said so.
        """
        self.link, self.channel, self.placing = link, channel, False
        self.address = address
        self._trying = 0
        first_pending = self.pending[0].sequence if self.pending else None
        known = [
            held.record
            for held in self._connections.values()
            if (first_pending is None or held.sequence < first_pending) and not held.record.replaced
        ]
        numbers = {record.number for record in known}
        self.sockets = {n: socket for n, socket in self.sockets.items() if n in numbers}
        return known

    def detach(self) -> None:
        """The room has left its room actor in good order."""
        self.link, self.channel = None, 0

    def lost(self) -> PendingEvent | None:
        """The process of the room died; returns the event that is given up, if it was to blame."""
        self.detach()
        self.failures += 1
        guilty = None
        if self.pending and self.pending[0].sequence == self._trying:
            guilty = self.give_up_first()
        if self.pending:
            self.careful_until = self.pending[-1].sequence
        return guilty
