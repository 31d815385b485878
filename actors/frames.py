"""The frames that gateway, room actor and hibernation manager exchange.

A frame is a fixed head and a payload: `length, kind, channel, number, sequence`, little endian,
21 bytes, where `length` counts everything after itself. `channel` names a room on one link,
`number` a connection or a request of the gateway, `sequence` an event of the gateway (it only
grows, so a room can say how far it has got). What a payload holds depends on the kind; small
structured payloads are MessagePack (`messages.py`), messages of clients travel as they are.

Pure: bytes in, frames out. The sockets are in `link.py`.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

FRAME_BYTES_MAX = 80 * 1024 * 1024  # above any message or body limit that settings allow

_HEAD = struct.Struct("<IBIIQ")
_pack_head, _unpack_head = _HEAD.pack, _HEAD.unpack_from
_HEAD_BYTES = _HEAD.size
_LENGTH_BYTES = 4
_COUNTED_HEAD_BYTES = _HEAD_BYTES - _LENGTH_BYTES
PAYLOAD_BYTES_MAX = FRAME_BYTES_MAX - _COUNTED_HEAD_BYTES
# Frames of a gateway that are no events travel on its channel with this bit set, so that the path
# of every message need not ask what kind a frame is of.
ASIDE = 1 << 31
_COUNT = struct.Struct("<I")
_CLOSE_CODE = struct.Struct("<H")

FrameHandler = Callable[[int, int, int, int, bytes], None]


class Kind(enum.IntEnum):
    """What a frame says. The comment names the sender and the payload."""

    HELLO = 1  # whoever connects, first on every link: messages.Hello
    CHALLENGE = 2  # between nodes, before everything else: see link_handshake.py
    PROOF = 3  # as above
    WELCOME = 4  # as above

    ATTACH = 10  # gateway: be this room, or let me in: messages.Attach
    CONNECT = 12  # gateway, event: messages.ConnectionRecord; then events of that connection
    TEXT = 13  # gateway, event: the text, UTF-8, valid
    BINARY = 14  # gateway, event: the bytes
    CLOSED = 15  # gateway, event: messages.Closed
    REQUEST = 16  # gateway, event: head and body, see pack_parts
    ALARM = 17  # gateway, event: an alarm is due, as far as the gateway knows; no payload
    CALL = (
        18  # gateway, event: another room's call: messages.CallHead and arguments, see pack_parts
    )

    BODY = 50  # gateway, aside: the next piece of a request's body; an empty one is a beginning
    BODY_END = 51  # gateway, aside: that was all; or, with a text, why the rest will not come
    GRANT = 52  # gateway, aside: so many bytes more of an answer may be sent: pack_amount
    LEFT = 53  # gateway, aside: nobody waits for this answer any more
    BUFFERED = 54  # gateway, aside: so many bytes wait for a connection's client: pack_amount

    READY = 20  # room actor: on_start is done, events are being handled
    REFUSED = 21  # room actor: this room is not here: messages.Refused
    GONE = 32  # room actor: the room has left in good order; unfinished events are the gateway's
    TAKEN = 22  # room actor: on_connect begins; from here on broadcasts reach the connection
    DONE = 23  # room actor: every event up to `sequence` is finished and durable
    ACCEPT = 24  # room actor: on_connect is done: messages.Standing
    STANDING = 25  # room actor: tags or state of a connection changed: messages.Standing
    SEND_TEXT = 26  # room actor: to one connection
    SEND_BINARY = 27  # room actor: to one connection
    BROADCAST_TEXT = 28  # room actor: to all but those listed: pack_broadcast
    BROADCAST_BINARY = 29  # room actor: to all but those listed: pack_broadcast
    CLOSE = 30  # room actor: close this connection: pack_close
    AUTO_RESPONSE = 33  # room actor: answer this text without me: messages.AutoResponse
    TRYING = 34  # room actor: `sequence`, which may have killed a process, is handled now
    RESPONSE = 31  # room actor: head and body, see pack_parts
    PIECE = 55  # room actor: the next piece of a streamed answer
    END = 56  # room actor: the end of a streamed answer; "cut" if it is not whole
    WANTED = 57  # room actor: so many bytes more of a request's body may be sent: pack_amount
    REPLACED = 58  # room actor: close this connection, of which it knows no more: pack_close
    RETURN = 35  # room actor: messages.Returned and the result of a call, see pack_parts

    WAKE = 40  # gateway to manager: where is this room, wake it if need be: messages.Wake
    PLACED = 41  # manager to gateway: messages.Placed
    REPORT = 42  # room actor to manager: messages.Report
    HIBERNATE = 43  # manager to room actor: messages.Leave
    WATCH = 46  # manager to room actor: watch.Watching
    SEEN = 47  # room actor to manager: watch.SeenBatch
    COUNTS = 45  # gateway to manager: counts.GatewayReport
    SUMMON = 60  # room actor to gateway, on a link of its own: messages.Summon
    NOT_HELD = 61  # gateway, in answer: messages.NotHeld
    EXIT = 44  # manager to room actor: leave every room in good order, then end the process

    # Between gateway and edge; `number` is an exchange of the gateway's. See edge_bodies.py.
    ASK = 70  # gateway: edge_messages.EdgeQuestion and body, see pack_parts
    ANSWER = 71  # edge: edge_messages.EdgeAnswer and body, see pack_parts
    BODY_PART = 72  # a piece of the request's or the response's body
    BODY_WHOLE = 73  # that was all of it
    BODY_USED = 74  # `sequence` bytes of the other's body have been used: more may come
    CANCEL = 75  # gateway: nobody waits any more; edge: the response breaks off here


# The kinds of the path of a message as plain numbers: looking up a member of an enumeration takes
# as long as a call does (0.1 us), and a message would have ten of that.
TEXT, BINARY = int(Kind.TEXT), int(Kind.BINARY)
CLOSED, DONE = int(Kind.CLOSED), int(Kind.DONE)
SEND_TEXT, SEND_BINARY = int(Kind.SEND_TEXT), int(Kind.SEND_BINARY)
BROADCAST_TEXT, BROADCAST_BINARY = int(Kind.BROADCAST_TEXT), int(Kind.BROADCAST_BINARY)

# Payload of GONE: no event is to blame; one may be; b"" is for in good order.
GONE_LOST = b"lost"
GONE_BROKEN = b"broken"
# In order too, but gateways that hold connections come back at once: it goes on somewhere else.
GONE_RETURN = b"return"


class FrameError(Exception):
    """Bytes that are not a frame, or can be none; a link that they arrive on is closed."""


def pack(
    kind: int, channel: int = 0, number: int = 0, sequence: int = 0, payload: bytes = b""
) -> bytes:
    """One frame as bytes.

    Raises:
        FrameError: If the payload is larger than a frame can have.
    """
    size_bytes = len(payload)
    if size_bytes > PAYLOAD_BYTES_MAX:
        raise FrameError(
            f"a payload of {size_bytes} bytes was given, the most is {PAYLOAD_BYTES_MAX}"
        )
    return _pack_head(size_bytes + _COUNTED_HEAD_BYTES, kind, channel, number, sequence) + payload


class Head(NamedTuple):
    """What a frame says of itself."""

    kind: int
    channel: int
    number: int
    sequence: int


def head_of(frame: bytes) -> Head:
    """The head of a frame that `pack` has made."""
    return Head(*_HEAD.unpack_from(frame)[1:])


def payload_of(frame: bytes) -> bytes:
    """The payload of a frame that `pack` has made."""
    return frame[_HEAD_BYTES:]


def pack_broadcast(without: Iterable[int], data: bytes) -> bytes:
    """Payload of a broadcast: the connections left out, then the message."""
    numbers = tuple(without)
    return struct.pack(f"<I{len(numbers)}I", len(numbers), *numbers) + data


def unpack_broadcast(payload: bytes) -> tuple[tuple[int, ...], bytes]:
    """The connections left out, and the message."""
    (count,) = _COUNT.unpack_from(payload)
    if not count:
        return (), payload[_COUNT.size :]
    end = _COUNT.size + 4 * count
    return struct.unpack_from(f"<{count}I", payload, _COUNT.size), payload[end:]


def pack_close(code: int, reason: str) -> bytes:
    """Payload of CLOSE."""
    return _CLOSE_CODE.pack(code) + reason.encode()


def unpack_close(payload: bytes) -> tuple[int, str]:
    """Code and reason."""
    return _CLOSE_CODE.unpack_from(payload)[0], payload[_CLOSE_CODE.size :].decode()


def pack_amount(amount_bytes: int) -> bytes:
    """Payload of GRANT, WANTED and BUFFERED."""
    return _COUNT.pack(min(amount_bytes, 0xFFFFFFFF))


def unpack_amount(payload: bytes) -> int:
    """How many bytes."""
    amount: int = _COUNT.unpack(payload)[0]
    return amount


def pack_parts(head: bytes, body: bytes) -> bytes:
    """A MessagePack head and a raw body in one payload."""
    return len(head).to_bytes(4, "little") + head + body


def unpack_parts(payload: bytes) -> tuple[bytes, bytes]:
    """Head and body."""
    end = 4 + int.from_bytes(payload[:4], "little")
    return payload[4:end], payload[end:]


class FrameReader:
    """Cuts a stream of bytes into frames and hands each to `on_frame`.

    Raises `FrameError` for a length that no frame can have; the stream is lost then.
    """

    __slots__ = ("_chunks", "_held_bytes", "_needed_bytes", "frame_bytes_max", "on_frame")

    def __init__(self, on_frame: FrameHandler, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self.frame_bytes_max = frame_bytes_max
        self.on_frame = on_frame
        self._chunks: list[bytes] = []  # of a frame that has not arrived whole
        self._held_bytes = 0
        self._needed_bytes = 0  # before it is worth joining the chunks

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        if self._chunks:
            self._chunks.append(data)
            self._held_bytes += len(data)
            if self._held_bytes < self._needed_bytes:
                return
            data = b"".join(self._chunks)
            self._chunks.clear()
        size = len(data)
        position = 0
        on_frame = self.on_frame
        while size - position >= _HEAD_BYTES:
            length, kind, channel, number, sequence = _unpack_head(data, position)
            if not _COUNTED_HEAD_BYTES <= length <= self.frame_bytes_max:
                raise FrameError(
                    f"a frame of {length} bytes was announced, the most is {self.frame_bytes_max}; "
                    "the two ends of the link do not speak the same protocol"
                )
            end = position + _LENGTH_BYTES + length
            if end > size:
                self._keep(data[position:], end - position)
                return
            on_frame(kind, channel, number, sequence, data[position + _HEAD_BYTES : end])
            position = end
        if position < size:
            self._keep(data[position:], _HEAD_BYTES)

    def _keep(self, rest: bytes, needed_bytes: int) -> None:
        self._chunks.append(rest)
        self._held_bytes = len(rest)
        self._needed_bytes = needed_bytes
