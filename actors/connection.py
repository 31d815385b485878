"""One client WebSocket, as the room sees it.

The socket itself is held by a gateway. A `Connection` outlives hibernation, a crash of the room
and a deploy: its id, tags and state are kept with the socket and come back with the next wake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ..storage import decode as decode_state
from ..storage import encode as encode_state
from . import messages
from .close_codes import ABNORMAL, NO_STATUS, NORMAL
from .frames import SEND_BINARY, SEND_TEXT, Kind, pack, pack_close
from .request import Request

if TYPE_CHECKING:
    from .attachment import Attachment
    from .gates import OutputGate

MESSAGE_BYTES_MAX = 32 * 1024 * 1024  # of one message from a room; Durable Objects' limit
STATE_BYTES_MAX = 16 * 1024  # encoded; Durable Objects' limit of an attachment
TAGS_MAX = 9  # besides the id; the limit of PartyKit
TAG_CHARACTERS_MAX = 256
CLOSE_REASON_BYTES_MAX = 123  # RFC 6455 section 5.5
REPLACED = 4409  # a connection of the same id has taken its place
REPLACED_REASON = "a newer connection has the same id"
_BYTES_LIKE = (bytes, bytearray, memoryview)  # a union would be made anew for each message
_CLOSE_CODES_RESERVED = frozenset({1004, NO_STATUS, ABNORMAL, 1015})


class StateTooLarge(ValueError):
    """A connection's state whose encoding is over `STATE_BYTES_MAX`."""


class ClientError(Exception):
    """What a client did wrong: `code` is the close code for it, the text says what it was."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Outlet(Protocol):
    """Where a connection's frames leave: the room's output gate."""

    @property
    def output(self) -> OutputGate: ...


class Connection:
    """A client. `id` is its `_pk`, or one that was made for it; `uri` the full URL it asked for."""

    __slots__ = (
        "_accepted",
        "_attachment",
        "_outlet",
        "_record",
        "_state",
        "buffered_bytes",
        "closing",
    )

    def __init__(
        self,
        outlet: Outlet,
        attachment: Attachment,
        record: messages.ConnectionRecord,
        *,
        accepted: bool,
    ) -> None:
        self._outlet = outlet
        self._attachment = attachment
        self._record = record
        self._accepted = accepted
        self._state = decode_state(record.state) if record.state else None
        self.buffered_bytes = record.buffered_bytes
        """Bytes that wait for the client to read them, as last heard: told past 64 KiB, each time
        that they have doubled, and when the client has caught up."""
        self.closing = False

    def __repr__(self) -> str:
        return f"<Connection {self.id}{', closing' if self.closing else ''}>"

    @property
    def id(self) -> str:
        """The client's own name for itself; not proof of who it is."""
        return self._record.id

    @property
    def uri(self) -> str:
        """The full URL that the client asked for."""
        return self._record.uri

    @property
    def tags(self) -> tuple[str, ...]:
        """What `get_connection_tags` gave the connection; its id is always the first."""
        return (self._record.id, *self._record.tags)

    @property
    def is_let_in(self) -> bool:
        """Whether `on_connect` is done."""
        return self._accepted

    @property
    def number(self) -> int:
        """The gateway's number for the socket."""
        return self._record.number

    @property
    def attachment(self) -> Attachment:
        """The gateway that holds the socket."""
        return self._attachment

    @property
    def place(self) -> int:
        """Its place among all that the room has met, at any gateway; it only grows."""
        return self._record.place

    @property
    def state(self) -> Any:
        """What `set_state` was last given; None before. Change it through `set_state` alone."""
        return self._state

    def set_state(self, value: Any) -> Any:
        """Keep a storable value with this connection for as long as it is open; returns it.

        A function is called with the present state and its result is kept. None clears.

        Raises:
            DataCloneError: If the value is not storable.
            StateTooLarge: If its encoding is over `STATE_BYTES_MAX` bytes.
        """
        if isinstance(value, Callable):  # type: ignore[arg-type]
            value = value(self._state)
        data = b"" if value is None else encode_state(value)
        if len(data) > STATE_BYTES_MAX:
            raise StateTooLarge(
                f"the state of connection {self.id} is {len(data)} bytes, "
                f"the most is {STATE_BYTES_MAX}; keep the rest in storage"
            )
        self._record.state = data
        self._state = value
        if self._accepted:
            self._send(Kind.STANDING, messages.encode(self.standing()))
        return value

    def send(self, message: str | bytes) -> None:
        """Send text or bytes, in order, once every earlier write of the room is durable.

        Never blocks. A message to a connection that is closing or has ended is dropped, and so may
        be one to a client that does not read: see `Room.send_buffer` and `buffered_bytes`.

        Raises:
            TypeError: If `message` is neither str nor bytes.
            ValueError: If it is over `MESSAGE_BYTES_MAX` bytes.
        """
        if self.closing:
            return
        if isinstance(message, str):
            self._send(SEND_TEXT, _bounded(message.encode()))
        else:
            self._send(SEND_BINARY, sendable(message))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the connection; what was sent before goes out first. `on_close` follows.

        Raises:
            ValueError: If `code` is not one that may be sent (1000 to 4999 without 1004, 1005,
                1006 and 1015), or `reason` is over `CLOSE_REASON_BYTES_MAX` bytes.
        """
        check_close(code, reason)
        if not self.closing:
            self._send(Kind.CLOSE, pack_close(code, reason))
            self.closing = True

    # For the room actor

    def request(self) -> Request:
        """The request that opened the connection."""
        return Request("GET", self.uri, self._record.path, self._record.headers)

    def tag(self, tags: object) -> None:
        """Give the connection its tags.

        Raises:
            TypeError: If they are not a list or tuple of str.
            ValueError: If there are more than `TAGS_MAX`, or one is empty, over
                `TAG_CHARACTERS_MAX` characters, or no UTF-8.
        """
        if not isinstance(tags, list | tuple) or not all(isinstance(t, str) for t in tags):
            raise TypeError(f"tags {tags!r} were given; give a list of str")
        distinct = [tag for tag in dict.fromkeys(tags) if tag != self.id]
        if len(distinct) > TAGS_MAX:
            raise ValueError(
                f"{len(distinct)} tags were given, a connection has at most {TAGS_MAX}"
            )
        for tag in distinct:
            if not 0 < len(tag) <= TAG_CHARACTERS_MAX:
                raise ValueError(
                    f"a tag of {len(tag)} characters was given, one has 1 to {TAG_CHARACTERS_MAX}"
                )
            tag.encode()
        self._record.tags = distinct

    def take(self) -> None:
        """on_connect begins: broadcasts reach the connection from here on."""
        self._send(Kind.TAKEN, b"")

    def accept(self) -> None:
        """on_connect is done: let the client in."""
        self._accepted = True
        self._send(Kind.ACCEPT, messages.encode(self.standing()))

    def replace(self) -> None:
        """A newer connection has its id: close it, and have the gateway keep no more of it."""
        self._send(Kind.REPLACED, pack_close(REPLACED, REPLACED_REASON))
        self.closing = True

    def standing(self) -> messages.Standing:
        """What the gateway keeps."""
        return messages.Standing(self._record.tags, self._record.state, self._record.place)

    def _send(self, kind: int, payload: bytes) -> None:
        attachment = self._attachment
        frame = pack(kind, attachment.channel, self._record.number, 0, payload)
        self._outlet.output.send(attachment.link, frame)


def check_close(code: int, reason: str) -> None:
    """Refuse what a close frame must not have.

    Raises:
        ValueError: See `Connection.close`.
    """
    if not 1000 <= code <= 4999 or code in _CLOSE_CODES_RESERVED:
        raise ValueError(
            f"close code {code} was given; 1000 to 4999 without 1004, 1005, 1006, 1015 may be"
        )
    if len(reason.encode()) > CLOSE_REASON_BYTES_MAX:
        raise ValueError(
            f"a close reason of {len(reason.encode())} bytes was given, "
            f"the most is {CLOSE_REASON_BYTES_MAX}"
        )


def sendable(message: object) -> bytes:
    """The bytes of a message.

    Raises:
        TypeError: If it is not bytes-like.
        ValueError: If it is over `MESSAGE_BYTES_MAX` bytes.
    """
    if not isinstance(message, _BYTES_LIKE):
        raise TypeError(f"a {type(message).__name__} was to be sent; send str or bytes")
    return _bounded(bytes(message))


def _bounded(data: bytes) -> bytes:
    if len(data) > MESSAGE_BYTES_MAX:
        raise ValueError(f"a message of {len(data)} bytes, the most is {MESSAGE_BYTES_MAX}")
    return data
