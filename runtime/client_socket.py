"""A client's WebSocket: picows parses its frames, this class says what they mean.

Bounds: a message larger than `message_bytes_max` closes it with 1009, one that is not UTF-8 with
1007, a breach of the protocol with 1002. A client that does not read what it is sent is closed with
1013, or is not sent all of it, as the class of its room wants. Who listens is told of the end
exactly once, and of a client that is behind as it falls behind further, or catches up.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, cast

from picows import WSAutoPingStrategy, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from ..actors.close_codes import (
    ABNORMAL,
    INVALID_TEXT,
    NO_STATUS,
    PROTOCOL_ERROR,
    TOO_BIG,
    TRY_AGAIN_LATER,
)
from ..actors.counts import GatewayCounts
from ..actors.frames import BINARY, TEXT
from .fragments import Fragments, TooLarge
from .handshake import Upgrade, minimal_request
from .send_buffer import MARK_BYTES, HeldFrames, SendLimits
from .websocket import OPCODE_PONG, build_frame

log = logging.getLogger(__name__)
# What clients do wrong is theirs, not our log's. An adapter, as picows would make a logger of its
# own out of a logger for each connection: most of a kilobyte.
_picows_log = logging.LoggerAdapter(logging.getLogger("picows.gateway"))
_picows_log.setLevel(logging.CRITICAL)

EARLY_BYTES_MAX = 4 * 1024 * 1024  # sent by the room before the handshake is answered
CLOSE_TIMEOUT_S = 5.0  # for the client to answer a close
# What one turn of the event loop sends a client leaves in one write, up to so much: cheaper than
# writing at once (docs/performance.md). Past it `pause_writing` is called.
GATHERED_BYTES_MAX = MARK_BYTES
READ_BUFFER_BYTES = 1024  # to start with; picows lets it grow to the largest message

# Looked up once, not for each frame: see the same in frames.py.
_TEXT_FRAME, _BINARY_FRAME = WSMsgType.TEXT, WSMsgType.BINARY


def may_be_received(code: int) -> bool:
    """Whether a close frame may have this code (RFC 6455 section 7.4, and the registry)."""
    return 1000 <= code <= 1014 and code not in (1004, NO_STATUS, ABNORMAL) or 3000 <= code <= 4999


class SocketOwner(Protocol):
    """Who is told what a client does: the clients of the gateway."""

    message_bytes_max: int
    counts: GatewayCounts

    def on_message(self, socket: ClientSocket, kind: int, payload: bytes) -> None: ...

    def on_closed(self, socket: ClientSocket, code: int, reason: str, was_clean: bool) -> None: ...

    def on_buffered(self, socket: ClientSocket, size_bytes: int) -> None: ...


class ClientSocket(WSListener):
    """One client, from its upgrade request on. It is opened when the room has let it in.

    `failure` is what the client did wrong, if it did: the close code for it, and a reason.
    """

    failure = (0, "")
    # These are the class's until a client falls behind: most never do.
    _look_at_bytes = MARK_BYTES  # unread; past it there is something to do
    _judging = False

    def __init__(
        self,
        owner: SocketOwner,
        number: int,
        transport: asyncio.Transport,
        upgrade: Upgrade,
        limits: SendLimits,
    ) -> None:
        super().__init__()
        self.number = number
        self._owner = owner
        self._transport = transport
        self._key = upgrade.key
        self._limits = limits
        self._websocket: WSTransport | None = None
        # Frames for a client that is not in yet, or that does not read; None: they are written.
        self._held: HeldFrames | None = HeldFrames()
        self._fragments: Fragments | None = None  # of a message that has not come whole
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

    @property
    def gone(self) -> bool:
        """Whether its owner was told of its end."""
        return self._told

    def fail(self, code: int, reason: str) -> None:
        """The room does not take it, or cannot go on with it: it is let in to be told."""
        self.open()
        self.close(code, reason)

    def refuse(self, answer: bytes) -> None:
        """Answer a client that is not let in with a whole HTTP response, and close."""
        self._stop_waiting()
        self._told = True
        self._transport.write(answer)
        self._transport.close()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def lost(self) -> None:
        """The client went away before it was let in."""
        self._stop_waiting()
        self._tell(ABNORMAL, "", False)

    def _write_held(self) -> None:
        held, self._held = self._held, None
        while held:
            self._transport.write(held.take())

    def _send_close(self, code: int, reason: str) -> None:
        assert self._websocket is not None
        self._write_held()
        payload = b"" if code == NO_STATUS else code.to_bytes(2, "big") + reason.encode()
        self._websocket.send(WSMsgType.CLOSE, payload)
        if self._close_received is not None:
            self._websocket.disconnect()
        else:
            self.resume()  # a paused socket must still hear the answer
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    # Sending

    def write_frame(self, frame: bytes) -> None:
        """Send a frame that is already built; what a client does not read is bounded."""
        held = self._held
        if self._close_sent is not None:
            return
        if held is not None:
            self._hold(held, frame)
            return
        # There is one: until then everything is held.
        if self._websocket.is_close_frame_sent:  # type: ignore[union-attr]
            return
        transport = self._transport
        transport.write(frame)
        if transport.get_write_buffer_size() > self._look_at_bytes:
            self._fall_behind(len(frame))

    def _fall_behind(self, newest_bytes: int) -> None:
        unread_bytes = self._transport.get_write_buffer_size()
        self._tell_if_more(unread_bytes)
        if self._limits.drop_oldest:
            self._held = HeldFrames()
        elif unread_bytes - newest_bytes > self._limits.bytes_max and not self._judging:
            # Not before the transport had a turn of the loop to write what this one has brought.
            self._judging = True
            asyncio.get_running_loop().call_soon(self._judge)

    def _judge(self) -> None:
        self._judging = False
        if self._close_sent is not None:
            return
        if self._transport.get_write_buffer_size() > self._limits.bytes_max:
            self._drop_slow()

    def _hold(self, held: HeldFrames, frame: bytes) -> None:
        held.put(frame)
        if self._websocket is None:
            if held.held_bytes > EARLY_BYTES_MAX:
                self._drop_slow()
            return
        if self._websocket.is_close_frame_sent:
            return
        written_bytes = self._transport.get_write_buffer_size()
        self._owner.counts.dropped += held.drop_oldest(self._limits.bytes_max - written_bytes)
        self._tell_if_more(held.held_bytes + written_bytes)

    def _let_go(self, held: HeldFrames) -> None:
        """Write what was held, as far as the client reads on."""
        transport = self._transport
        while held and transport.get_write_buffer_size() <= MARK_BYTES:
            transport.write(held.take())
        if not held:
            self._held = None

    def _tell_if_more(self, unread_bytes: int) -> None:
        if unread_bytes > self._look_at_bytes:
            self._owner.on_buffered(self, unread_bytes)
            more_bytes = max(2 * self._look_at_bytes, unread_bytes)
            self._look_at_bytes = min(more_bytes, self._limits.bytes_max)

    def _drop_slow(self) -> None:
        self._owner.counts.slow_clients += 1
        self._fail(TRY_AGAIN_LATER, "this client does not read what it is sent")
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
        self._write_held()
        if self._close_sent is not None:
            self._send_close(*self._close_sent)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type  # which takes as long as three calls: once
        try:
            if (
                frame.fin
                and self._fragments is None
                and self._close_sent is None
                and self._close_received is None
                and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
                and not transport.is_close_frame_sent
            ):
                # Most frames: a whole message while nothing else is under way.
                payload = frame.get_payload_as_bytes()
                if kind is _BINARY_FRAME:
                    self._owner.on_message(self, BINARY, payload)
                    return
                if kind is _TEXT_FRAME and payload.isascii():
                    self._owner.on_message(self, TEXT, payload)
                    return
            self._on_frame(kind, frame)
        except Exception:
            # picows would log it where it logs what clients do wrong, which nobody reads.
            log.exception("%r could not handle a frame", self)
            raise

    def _on_frame(self, kind: WSMsgType, frame: WSFrame) -> None:
        if self._close_received is not None:
            return
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
        if self._close_sent is None and transport.is_close_frame_sent:
            sent = transport.close_handshake.sent  # by picows, which found the breach
            assert sent is not None
            self.failure = (int(cast(int, sent.code)), sent.reason or "a breach of the protocol")
        if self._close_received is not None:
            self._tell(*self._close_received, True)
        else:
            self._tell(ABNORMAL, "", False)

    def pause_writing(self) -> None:
        """picows asks for it, at `MARK_BYTES`; what is held back is decided in `write_frame`."""

    def resume_writing(self) -> None:
        """The client has read almost all that was written to it."""
        if self._held is not None and self._websocket is not None:
            self._let_go(self._held)
        if self._held is None and self._look_at_bytes > MARK_BYTES and not self._told:
            self._look_at_bytes = MARK_BYTES
            self._owner.on_buffered(self, self._transport.get_write_buffer_size())

    def _begin(self, frame: WSFrame, kind: int) -> None:
        if self._fragments is not None:
            self._fail(PROTOCOL_ERROR, "a new message began inside a fragmented one")
        elif frame.fin:
            self._deliver(kind, frame.get_payload_as_bytes())
        else:
            self._fragments = Fragments(kind)
            self._gather(self._fragments, frame)

    def _continue(self, frame: WSFrame) -> None:
        if self._fragments is None:
            self._fail(PROTOCOL_ERROR, "a continuation without a beginning")
        else:
            self._gather(self._fragments, frame)

    def _gather(self, fragments: Fragments, frame: WSFrame) -> None:
        try:
            fragments.add(frame.get_payload_as_bytes(), self._owner.message_bytes_max)
        except TooLarge as error:
            self._fail(TOO_BIG, str(error))
            return
        if frame.fin:
            self._fragments = None
            self._deliver(fragments.kind, fragments.whole())

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
        websocket = self._websocket
        assert websocket is not None
        if self._close_sent is not None or websocket.is_close_frame_sent:
            websocket.disconnect()  # this is the answer to our close, or to that of picows
        else:
            self.close(code)

    def _fail(self, code: int, reason: str) -> None:
        self._fragments = None
        if self._close_sent is None:
            self.failure = (code, reason)
        self.close(code, reason)

    def _tell(self, code: int, reason: str, was_clean: bool) -> None:
        if not self._told:
            self._told = True
            self._owner.on_closed(self, code, reason, was_clean)
