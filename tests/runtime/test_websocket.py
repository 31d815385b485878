"""WebSocket frames of a server: whole, final, unmasked."""

from __future__ import annotations

import pytest
from parlour.runtime.websocket import OPCODE_BINARY, OPCODE_TEXT, build_frame, parse_frame


@pytest.mark.parametrize(
    ("size_bytes", "head"),
    [
        (0, b"\x81\x00"),
        (1, b"\x81\x01"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        (1 << 20, b"\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x00"),
    ],
)
def test_a_length_takes_the_shortest_form(size_bytes: int, head: bytes) -> None:
    """RFC 6455 section 5.2 allows no other."""
    payload = bytes(size_bytes)
    assert build_frame(OPCODE_TEXT, payload) == head + payload
    assert parse_frame(head + payload) == (OPCODE_TEXT, payload)


def test_the_opcode_says_text_or_binary() -> None:
    """Each frame is a whole message, and none is masked."""
    assert build_frame(OPCODE_TEXT, b"a") == b"\x81\x01a"
    assert build_frame(OPCODE_BINARY, b"a") == b"\x82\x01a"
