"""A client's WebSocket: picows parses its frames, this class says what they mean.

Bounds: a message larger than `message_bytes_max` closes it with 1009, one that is not UTF-8 with
1007, a breach of the protocol with 1002, a client that does not read what it is sent with 1013.
Who listens is told of the end exactly once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from picows import WSAutoPingStrategy, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from ..actors.counts import GatewayCounts
from ..actors.frames import BINARY, TEXT
from .handshake import Upgrade, minimal_request
from .websocket import OPCODE_PONG, build_frame

log = logging.getLogger(__name__)
# What clients do wrong is theirs, not our log's. An adapter, as picows would make a logger of its
# own out of a logger for each connection: most of a kilobyte.
_picows_log = logging.LoggerAdapter(logging.getLogger("picows.gateway"))
_picows_log.setLevel(logging.CRITICAL)

SEND_BUFFER_BYTES_MAX = 4 * 1024 * 1024  # that a client has not read
EARLY_BYTES_MAX = 4 * 1024 * 1024  # sent by the room before the handshake is answered
FRAGMENTS_MAX = 16_384  # of one message: pieces of no bytes at all cost memory too
CLOSE_TIMEOUT_S = 5.0  # for the client to answer a close
# What one turn of the event loop sends a client leaves in one write, up to so much: writing at once
# made echoes 10 % and broadcasts to 100 sockets 17 % slower.
GATHERED_BYTES_MAX = 64 * 1024
READ_BUFFER_BYTES = 1024  # to start with; picows lets it grow to the largest message

# Looked up once, not for each frame: see the same in frames.py.
_TEXT_FRAME, _BINARY_FRAME = WSMsgType.TEXT, WSMsgType.BINARY

NORMAL, PROTOCOL_ERROR, NO_STATUS, ABNORMAL = 1000, 1002, 1005, 1006
INVALID_TEXT, TOO_BIG, TRY_AGAIN_LATER = 1007, 1009, 1013


def may_be_received(code: int) -> bool:
    """Whether a close frame may have this code (RFC 6455 section 7.4, and the registry)."""
    return 1000 <= code <= 1014 and code not in (1004, NO_STATUS, ABNORMAL) or 3000 <= code <= 4999


class SocketOwner(Protocol):
    """Who is told what a client does: the gateway."""

    message_bytes_max: int
    counts: GatewayCounts

    def on_message(self, socket: ClientSocket, kind: int, payload: bytes) -> None: ...

    def on_closed(self, socket: ClientSocket, code: int, reason: str, was_clean: bool) -> None: ...


class ClientSocket(WSListener):
    """One client, from its upgrade request on. It is opened when the room has let it in."""

    def __init__(
        self, owner: SocketOwner, number: int, transport: asyncio.Transport, upgrade: Upgrade
    ) -> None:
        super().__init__()
        self.number = number
        self._owner = owner
        self._transport = transport
        self._key = upgrade.key
        self._websocket: WSTransport | None = None
        self._early: list[bytes] = []  # frames that the room sent before the handshake
        self._early_bytes = 0
        self._fragments: list[bytes] = []
        self._fragments_kind = 0
        self._fragments_bytes = 0
        self._close_sent: tuple[int, str] | None = None
        self._close_received: tuple[int, str] | None = None
        self._told = False
        self._waiting: asyncio.TimerHandle | None = None  # for the room to let the client in

    def __repr__(self) -> str:
        state = "open" if self._websocket else "opening"
        return f"<ClientSocket {self.number} {'closing' if self._close_sent else state}>"

    # Life

    def let_wait(self, timeout_s: float) -> None:
        """Give the room so long to let the client in; then it is told to try again later."""
        self._waiting = asyncio.get_running_loop().call_later(timeout_s, self._not_let_in)

    def _not_let_in(self) -> None:
        self.open()
        self.close(TRY_AGAIN_LATER, "the room did not answer in time")

    def open(self) -> None:
        """Answer the handshake with 101; what the room has sent so far follows at once."""
        self._stop_waiting()
        if self._websocket is not None or self._transport.is_closing():
            return
        self.pause()  # while one protocol takes over from the other
        protocol = WSProtocol(
            None, None, False, lambda request: self, _picows_log, True, None,
            False, 0, 0, WSAutoPingStrategy.PING_WHEN_IDLE, False,
            self._owner.message_bytes_max, None, READ_BUFFER_BYTES,
        )  # fmt: skip
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)  # which has every write go out at once
        self._transport.set_write_buffer_limits(high=GATHERED_BYTES_MAX)
        request = minimal_request(self._key)
        protocol.get_buffer(len(request))[: len(request)] = request
        protocol.buffer_updated(len(request))
        self.resume()

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame after what was sent before; the client has some seconds to answer."""
        if self._close_sent is not None:
            return
        self._close_sent = (code, reason)
        if self._websocket is None:
            return  # sent when the handshake is done
        self._send_close(code, reason)

    def fail(self, code: int, reason: str) -> None:
        """The room does not take it, or cannot go on with it: it is let in to be told."""
        self.open()
        self.close(code, reason)

    def refuse(self) -> None:
        """Drop a client that was never let in."""
        self._told = True
        self._transport.close()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def lost(self) -> None:
        """The client went away before it was let in."""
        self._stop_waiting()
        self._tell(ABNORMAL, "", False)

    def _send_close(self, code: int, reason: str) -> None:
        assert self._websocket is not None
        payload = b"" if code == NO_STATUS else code.to_bytes(2, "big") + reason.encode()
        self._websocket.send(WSMsgType.CLOSE, payload)
        if self._close_received is not None:
            self._websocket.disconnect()
        else:
            self.resume()  # a paused socket must still hear the answer
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    # Sending

    def write_frame(self, frame: bytes) -> None:
        """Send a frame that is already built; a client that does not read is closed."""
        websocket = self._websocket
        if self._close_sent is not None:
            return
        if websocket is None:
            self._early.append(frame)
            self._early_bytes += len(frame)
            if self._early_bytes > EARLY_BYTES_MAX:
                self._drop_slow()
            return
        if websocket.is_close_frame_sent:
            return
        transport = self._transport
        transport.write(frame)
        if transport.get_write_buffer_size() > SEND_BUFFER_BYTES_MAX:
            self._drop_slow()

    def _drop_slow(self) -> None:
        self._owner.counts.slow_clients += 1
        self.close(TRY_AGAIN_LATER, "this client does not read what it is sent")
        # What waits would have to leave before the close frame: give it little time.
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def pause(self) -> None:
        """Stop reading from the client."""
        transport = self._transport
        if self._close_sent is None and not transport.is_closing() and transport.is_reading():
            transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()

    # picows.WSListener

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._websocket = transport
        if self._early:
            self._transport.write(b"".join(self._early))
            self._early.clear()
        if self._close_sent is not None:
            self._send_close(*self._close_sent)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        try:
            self._on_frame(frame)
        except Exception:
            # picows would log it where it logs what clients do wrong, which nobody reads.
            log.exception("%r could not handle a frame", self)
            raise

    def _on_frame(self, frame: WSFrame) -> None:
        if self._close_received is not None:
            return
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._fail(PROTOCOL_ERROR, "reserved bits are set")
        elif kind in (_TEXT_FRAME, _BINARY_FRAME):
            self._begin(frame, TEXT if kind == _TEXT_FRAME else BINARY)
        elif kind == WSMsgType.CONTINUATION:
            self._continue(frame)
        elif kind == WSMsgType.CLOSE:
            self._on_close(frame.get_payload_as_bytes())
        elif kind == WSMsgType.PING:
            # Not by picows, which answers a client that does not read for ever.
            self.write_frame(build_frame(OPCODE_PONG, frame.get_payload_as_bytes()))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._close_received is not None:
            self._tell(*self._close_received, True)
        else:
            self._tell(ABNORMAL, "", False)

    def pause_writing(self) -> None:
        """picows asks for it; the bound is `SEND_BUFFER_BYTES_MAX`."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def _begin(self, frame: WSFrame, kind: int) -> None:
        if self._fragments_kind:
            self._fail(PROTOCOL_ERROR, "a new message began inside a fragmented one")
        elif frame.fin:
            self._deliver(kind, frame.get_payload_as_bytes())
        else:
            self._fragments_kind = kind
            self._fragments = []
            self._fragments_bytes = 0
            self._gather(frame)

    def _continue(self, frame: WSFrame) -> None:
        if not self._fragments_kind:
            self._fail(PROTOCOL_ERROR, "a continuation without a beginning")
            return
        self._gather(frame)
        if frame.fin and self._fragments_kind:
            kind, self._fragments_kind = self._fragments_kind, 0
            payload = b"".join(self._fragments)
            self._fragments = []
            self._deliver(kind, payload)

    def _gather(self, frame: WSFrame) -> None:
        piece = frame.get_payload_as_bytes()
        self._fragments_bytes += len(piece)
        if self._fragments_bytes > self._owner.message_bytes_max:
            self._fail(TOO_BIG, f"a message has at most {self._owner.message_bytes_max} bytes")
        elif len(self._fragments) >= FRAGMENTS_MAX:
            self._fail(TOO_BIG, f"a message has at most {FRAGMENTS_MAX} fragments")
        else:
            self._fragments.append(piece)

    def _deliver(self, kind: int, payload: bytes) -> None:
        # picows closes by itself where it finds a breach, and reads on for a moment.
        websocket = self._websocket
        picows_has = websocket is not None and websocket.is_close_frame_sent
        if self._close_sent is not None or picows_has:
            return
        if kind == TEXT and not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                self._fail(INVALID_TEXT, "a text message must be UTF-8")
                return
        self._owner.on_message(self, kind, payload)

    def _on_close(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if payload else NO_STATUS
        if payload and not may_be_received(code):
            self._fail(PROTOCOL_ERROR, f"close code {code} may not be sent")
            return
        self._close_received = (code, payload[2:].decode())  # picows has found it to be UTF-8
        if self._close_sent is None:
            self.close(code)
        elif self._websocket is not None:
            self._websocket.disconnect()

    def _fail(self, code: int, reason: str) -> None:
        self._fragments, self._fragments_kind = [], 0
        self.close(code, reason)

    def _tell(self, code: int, reason: str, was_clean: bool) -> None:
        if not self._told:
            self._told = True
            self._owner.on_closed(self, code, reason, was_clean)
