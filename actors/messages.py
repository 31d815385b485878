"""The structured payloads of frames, as MessagePack.

Decoding checks names and types and builds nothing but these classes: what a peer sends is data.
"""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import quote, unquote

import msgspec

from .counts import ProcessCounts
from .resources import NO_RESOURCES, ActorResources

ROOM_ID_BYTES_MAX = 1024
CONNECTION_ID_CHARACTERS_MAX = 256


class Hello(msgspec.Struct, frozen=True):
    """First on every link: who connects."""

    role: str  # "gateway", "room actor", or "caller": a room actor at a gateway
    id: str  # of that process, new at each start
    pid: int
    address: str = ""  # where it accepts links itself
    version: int = 0  # of the code that a room actor has loaded
    resources: ActorResources = NO_RESOURCES  # that a room actor has of Ray


class RoomKey(msgspec.Struct, frozen=True, order=True):
    """A room's full name."""

    party: str
    id: str

    def __str__(self) -> str:
        return self.space

    @property
    def quoted_id(self) -> str:
        """The id as it stands in URLs and logs: without slash, brace, line end or control code."""
        return quote(self.id, safe="")

    @property
    def space(self) -> str:
        """The name of the room's storage."""
        return f"{self.party}/{self.quoted_id}"

    @classmethod
    def of_space(cls, space: str) -> RoomKey:
        """The room whose storage has this name."""
        party, _, quoted = space.partition("/")
        return cls(party, unquote(quoted))


class Hop(msgspec.Struct, frozen=True, array_like=True):
    """A room that waits for another one's answer: a part of a chain of calls."""

    room: str  # the name of its storage
    is_busy: bool  # it takes no other event before it has the answer


class ConnectionRecord(msgspec.Struct):
    """A connection as the gateway keeps it: all that must outlive the room's process."""

    number: int
    id: str
    uri: str
    headers: list[tuple[str, str]]
    tags: list[str] = []
    state: bytes = b""  # by the storage codec; empty means None
    place: int = 0  # in the order in which its room met the connections of all gateways
    replaced: bool = False  # by a newer one of the same id: closing, and told of
    path: str = "/"  # below the room
    buffered_bytes: int = 0  # that waited for the client when the room was last told
    chain: tuple[Hop, ...] = ()  # the rooms that wait for it to be let in


class Attach(msgspec.Struct):
    """A gateway's demand to be served by a room, with the sockets it already holds for it."""

    key: RoomKey
    connections: list[ConnectionRecord] = []
    careful_until: int = 0  # events up to this one are handled one by one: one of them may kill
    only_live: bool = False  # be refused ("absent") rather than have the room wake here


class Refused(msgspec.Struct):
    """Why a room is not served here."""

    reason: str  # "held", "absent", "storage", "start failed", "unknown party"
    message: str
    address: str = ""  # with "held": where the room is


class Summon(msgspec.Struct, frozen=True):
    """A room that is awake calls a gateway that may hold clients of it."""

    key: RoomKey
    gateway_id: str
    address: str  # of the room actor


class NotHeld(msgspec.Struct, frozen=True):
    """The gateway, or the one before it, holds no client of the room."""

    key: RoomKey
    gateway_id: str


class Closed(msgspec.Struct):
    """How a connection ended."""

    code: int
    reason: str
    was_clean: bool
    failure: int = 0  # the close code for what the client did wrong; 0 if it did nothing wrong
    failure_reason: str = ""


class Standing(msgspec.Struct):
    """What the room wants kept with a connection."""

    tags: list[str]
    state: bytes
    place: int = 0


class AutoResponse(msgspec.Struct):
    """A text that the gateway answers by itself; an absent request clears it."""

    request: bytes | None
    response: bytes


class RequestHead(msgspec.Struct):
    """An HTTP request without its body."""

    method: str
    url: str
    path: str  # below the room
    headers: list[tuple[str, str]]
    streamed: bool = False  # the body follows, piece by piece, when the room wants it


class ResponseHead(msgspec.Struct):
    """An HTTP response without its body."""

    status: int
    headers: list[tuple[str, str]]
    streamed: bool = False  # the body follows, piece by piece


class CallHead(msgspec.Struct):
    """A call of a room's method, or a request that is answered whole, without what it carries."""

    method: str  # empty for a request
    request: RequestHead | None = None
    chain: tuple[Hop, ...] = ()  # the rooms that wait for the answer


class Returned(msgspec.Struct):
    """How a call has ended; the result, or an exception, follows."""

    failure: str = ""  # empty: a result; "exception": one by the storage codec; else a call error
    text: str = ""  # of a call error
    type_name: str = ""  # of the exception that a RemoteError stands for
    response: ResponseHead | None = None  # to a request; its body follows


class Wake(msgspec.Struct):
    """A gateway's question: where is this room? It is woken if need be."""

    key: RoomKey
    only_here: bool = False  # do not send the gateway to another manager


class Placed(msgspec.Struct):
    """The manager's answer to WAKE: the room actor to attach to, or why there is none.

    With `elsewhere` it is another manager that should be asked: this node is short of something.
    `lacking`: the error is that no node has the resources free that the room's party asks for.
    """

    address: str = ""
    error: str = ""
    elsewhere: str = ""
    lacking: bool = False


class RoomReport(msgspec.Struct):
    """One room of a room actor, as the manager needs it to decide who hibernates."""

    key: RoomKey
    state: str  # of lifecycle.State, or "idle" for a live room with nothing to do
    last_event_s: float  # on the monotonic clock of this node
    connections: int
    started_s: float


class Report(msgspec.Struct):
    """A room actor's rooms; all of them, each time."""

    rooms: list[RoomReport]
    memory_bytes: int
    owner: str  # the name of its lease
    failed: list[RoomKey] = []  # whose on_start has raised since the last report
    counts: ProcessCounts | None = None  # from the beginning of the process


class Leave(msgspec.Struct):
    """The manager's order that a room leave its process in good order; or at once, by "reset"."""

    key: RoomKey
    reason: str  # "hibernate", "deploy", "move", "shutdown", "memory", "lifetime", "reset"


_encoder = msgspec.msgpack.Encoder()
MessageT = TypeVar("MessageT", bound=msgspec.Struct)


def encode(message: msgspec.Struct) -> bytes:
    """MessagePack of one of the classes above."""
    return _encoder.encode(message)


def decode(payload: bytes, kind: type[MessageT]) -> MessageT:
    """The message in `payload`.

    Raises:
        msgspec.ValidationError: If the payload is not of that kind.
    """
    return msgspec.msgpack.decode(payload, type=kind)
