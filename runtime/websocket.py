"""Building WebSocket frames. A server's frames are not masked (RFC 6455 section 5.1), so the same
bytes serve every socket: a broadcast is built once."""

from __future__ import annotations

import struct

_MEDIUM = struct.Struct("!BBH")
_LARGE = struct.Struct("!BBQ")

OPCODE_TEXT = 0x1
OPCODE_BINARY = 0x2
OPCODE_PONG = 0xA
_FIN = 0x80
_SMALL_MAX = 125
_MEDIUM_MAX = 0xFFFF


_SMALL_HEADS = [
    [bytes((_FIN | opcode, size)) for size in range(_SMALL_MAX + 1)] for opcode in range(16)
]


def build_frame(opcode: int, payload: bytes) -> bytes:
    """One whole, final, unmasked frame."""
    size = len(payload)
    if size <= _SMALL_MAX:
        return _SMALL_HEADS[opcode][size] + payload
    if size <= _MEDIUM_MAX:
        return _MEDIUM.pack(_FIN | opcode, 126, size) + payload
    return _LARGE.pack(_FIN | opcode, 127, size) + payload


def parse_frame(frame: bytes) -> tuple[int, bytes]:
    """Opcode and payload of what `build_frame` has built."""
    size = frame[1]
    start = 2 if size <= _SMALL_MAX else _MEDIUM.size if size == 126 else _LARGE.size
    return frame[0] & 0x0F, frame[start:]
