"""All gateways that are attached to one room, and what the room says to them.

Whatever the room says leaves through its output gate; what is said about the room itself (that
it is not here, that it is gone) does not wait for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from . import messages
from .attachment import Attachment
from .connection import Connection, Outlet, sendable
from .frames import BROADCAST_BINARY, BROADCAST_TEXT, DONE, Kind, pack, pack_broadcast
from .link import Link
from .messages import Attach, AutoResponse, ConnectionRecord, Refused

AUTO_RESPONSE_BYTES_MAX = 2048  # of either text; Durable Objects' limit
_PLACES_OF_CLAIM = 2**32  # connections that a room may meet until it is claimed anew


class Attachments:
    """The gateways of one room."""

    def __init__(self, room: Outlet, on_new_holder: Callable[[], None] | None = None) -> None:
        """`on_new_holder` is to have the metadata name a gateway that it does not name yet."""
        self._room = room
        self._on_new_holder = on_new_holder
        self._holders: dict[
            str, str
        ] = {}  # as the metadata names them, or will with the next flush
        self._gone: set[str] = set()  # of those, gateways that hold no client any more
        self.by_channel: dict[tuple[Link, int], Attachment] = {}
        self._progress: Mapping[str, int] = {}
        self._auto_response: AutoResponse | None = None
        self._by_id: dict[str, Connection] = {}  # the newest of each id
        self._places = 0

    def __repr__(self) -> str:
        return f"<Attachments of {len(self.by_channel)} gateways>"

    def __iter__(self) -> Iterator[Attachment]:
        return iter(list(self.by_channel.values()))

    def add(self, link: Link, channel: int, attach: Attach) -> tuple[Attachment, list[Connection]]:
        """A gateway attaches; the connections it has are the room's from now on.

        Returned with the attachment: connections of which a newer one has the id, at another
        gateway. They are closing, but nobody has been told yet.
        """
        assert link.peer is not None
        attachment = Attachment(
            link, channel, link.peer.id, attach.careful_until, link.peer.address
        )
        attachment.finished = attachment.reported = self._progress.get(link.peer.id, 0)
        replaced = []
        for record in attach.connections:
            connection = Connection(self._room, attachment, record, accepted=True)
            attachment.connections[record.number] = connection
            other = self._by_id.get(record.id)
            if other is not None and other.place > connection.place:
                other, connection = connection, other
            self._by_id[record.id] = connection
            # Of the same place is the same socket, come back over another link.
            if other is not None and other.place < connection.place and not other.closing:
                other.closing = True
                replaced.append(other)
        self.by_channel[link, channel] = attachment
        return attachment, replaced

    def remove(self, link: Link) -> list[Attachment]:
        """A gateway's link is lost; returns what was attached over it."""
        gone = [key for key in self.by_channel if key[0] is link]
        removed = [self.by_channel.pop(key) for key in gone]
        self._progress = {**self._progress, **{a.gateway_id: a.finished for a in removed}}
        return removed

    def resume_from(
        self, progress: Mapping[str, int], epoch: int, holders: Mapping[str, str]
    ) -> None:
        """The claim says how far the room had got with each gateway's events, and which of them
        hold its clients."""
        self._progress = progress
        self._holders = dict(holders)
        self._places = epoch * _PLACES_OF_CLAIM
        for attachment in self.by_channel.values():
            done = progress.get(attachment.gateway_id, 0)
            attachment.finished = attachment.reported = done

    def are_careful(self) -> bool:
        """Whether events are not handled yet of which one has killed a process."""
        return any(a.finished < a.careful_until for a in self.by_channel.values())

    # Gateways that hold connections, as the metadata names them

    def met(self, attachment: Attachment) -> None:
        """A connection of a gateway is the room's: were the room to wake anew, it must be known.

        What the room sends from now on waits until the metadata names the gateway.
        """
        is_new = attachment.address and attachment.gateway_id not in self._holders
        if is_new and attachment.connections and self._on_new_holder is not None:
            self._on_new_holder()

    def absent_holders(self) -> dict[str, str]:
        """Gateways that hold connections of the room, as far as is known, and are not attached."""
        here = {attachment.gateway_id for attachment in self.by_channel.values()}
        return {id: address for id, address in self._holders.items() if id not in here}

    def forget_holder(self, gateway_id: str) -> None:
        """A gateway holds no client of the room; with the next flush it is forgotten."""
        self._gone.add(gateway_id)

    def holder_changes(self) -> dict[str, str]:
        """What the metadata has to be told with the flush that is sealed now: id -> address, or ""
        to forget one."""
        attached = self.by_channel.values()
        holding = {a.gateway_id: a.address for a in attached if a.connections and a.address}
        left = {a.gateway_id for a in attached} | self._gone
        changes = {id: where for id, where in holding.items() if id not in self._holders}
        changes |= {id: "" for id in left - holding.keys() if id in self._holders}
        self._gone.clear()
        self._holders.update(changes)
        self._holders = {id: where for id, where in self._holders.items() if where}
        return changes

    # Connections

    def admit(self, attachment: Attachment, record: ConnectionRecord) -> Connection | None:
        """A new connection is the room's from now on; returns the one of its id before, if open."""
        self._places += 1
        record.place = self._places
        connection = Connection(self._room, attachment, record, accepted=False)
        attachment.connections[record.number] = connection
        other = self._by_id.get(record.id)
        self._by_id[record.id] = connection
        return None if other is None or other.closing else other

    def part(self, attachment: Attachment, number: int) -> Connection | None:
        """A connection is the room's no more; returns it, if it was."""
        connection = attachment.connections.pop(number, None)
        # A newer one with its id stays.
        if connection is not None and self._by_id.get(connection.id) is connection:
            del self._by_id[connection.id]
        return connection

    def has_come_back(self, connection: Connection) -> bool:
        """Whether its socket is here over another link: not lost, although this link was."""
        other = self._by_id.get(connection.id)
        if other is None or other is connection or not connection.place:
            return False
        return other.place == connection.place

    def connection(self, connection_id: str) -> Connection | None:
        """The open connection with an id."""
        connection = self._by_id.get(connection_id)
        return None if connection is None or connection.closing else connection

    @property
    def connection_count(self) -> int:
        """Connections of all gateways."""
        return sum(len(a.connections) for a in self.by_channel.values())

    @property
    def gateway_count(self) -> int:
        """Gateways that hold connections."""
        return len({a.gateway_id for a in self.by_channel.values() if a.connections})

    def open_connections(self) -> list[Connection]:
        """Those that are not closing, oldest first per gateway."""
        return [
            connection
            for attachment in self.by_channel.values()
            for connection in attachment.connections.values()
            if not connection.closing
        ]

    def broadcast(self, message: str | bytes, without: Iterable[str]) -> None:
        """Send to all; see `Room.broadcast`."""
        if isinstance(without, str):
            raise TypeError(f"without={without!r} was given; give a list of connection ids")
        left_out = set(without)
        for each in left_out:
            if not isinstance(each, str):
                raise TypeError(f"without has {each!r}; give ids, as in [connection.id]")
        if isinstance(message, str):
            kind, data = BROADCAST_TEXT, sendable(message.encode())
        else:
            kind, data = BROADCAST_BINARY, sendable(message)
        for attachment in self.by_channel.values():
            numbers = (
                [n for n, c in attachment.connections.items() if c.id in left_out]
                if left_out
                else ()
            )
            self._say(attachment, kind, 0, pack_broadcast(numbers, data))

    def set_auto_response(self, request: str | None, response: str) -> None:
        """Keep the pair and tell the gateways; see `Room.set_auto_response`."""
        for text in ("" if request is None else request, response):
            if not isinstance(text, str):
                raise TypeError(f"{text!r} was given; an automatic response is str on str")
            if len(text.encode()) > AUTO_RESPONSE_BYTES_MAX:
                raise ValueError(
                    f"an automatic response of {len(text.encode())} bytes was given, each text "
                    f"has at most {AUTO_RESPONSE_BYTES_MAX}"
                )
        asked = None if request is None else request.encode()
        self._auto_response = AutoResponse(asked, response.encode())
        for attachment in self.by_channel.values():
            self._tell_auto_response(attachment)

    # What the room says of itself

    def tell_ready(self, attachment: Attachment) -> None:
        """Events are being handled."""
        self._say(attachment, Kind.READY, 0, b"")
        self._tell_auto_response(attachment)

    def tell_trying(self, attachment: Attachment, sequence: int) -> None:
        """An event begins that may kill the process: said at once, or it might never be."""
        attachment.link.write(pack(Kind.TRYING, attachment.channel, 0, sequence))
        attachment.link.flush()

    def tell_done(self) -> None:
        """How far the room has got, for gateways that do not know it yet."""
        for attachment in self.by_channel.values():
            if attachment.finished > attachment.reported:
                attachment.reported = attachment.finished
                self._say(attachment, DONE, attachment.finished, b"")

    def tell_refused(self, refused: Refused) -> None:
        """The room is not here: true also of a process that may say nothing else."""
        for (link, channel), _ in self.by_channel.items():
            link.say_now(pack(Kind.REFUSED, channel, payload=messages.encode(refused)))

    def tell_lost(self, how: bytes) -> None:
        """The room is not here any more, and has not left in good order; likewise."""
        for (link, channel), _ in self.by_channel.items():
            link.say_now(pack(Kind.GONE, channel, payload=how))

    def tell_gone(self, how: bytes) -> None:
        """The room has left, and everything was said before."""
        for (link, channel), _ in self.by_channel.items():
            link.write(pack(Kind.GONE, channel, payload=how))

    def flush(self) -> None:
        """Send now what waits for the end of this turn of the event loop."""
        for link, _ in self.by_channel:
            link.flush()

    def finished_events(self) -> dict[str, int]:
        """Gateway id -> the last event handled; recorded with each flush."""
        return {a.gateway_id: a.finished for a in self.by_channel.values() if a.finished}

    def _tell_auto_response(self, attachment: Attachment) -> None:
        if self._auto_response is not None:
            self._say(attachment, Kind.AUTO_RESPONSE, 0, messages.encode(self._auto_response))

    def _say(self, attachment: Attachment, kind: int, sequence: int, payload: bytes) -> None:
        frame = pack(kind, attachment.channel, 0, sequence, payload)
        self._room.output.send(attachment.link, frame)
