"""Stored bytes as an attacker would write them, and the claim that they are refused."""

from __future__ import annotations

import time

import pytest
from parlour.storage.codec import decode, encode
from parlour.storage.errors import DecodeError

BUILT_IN, CONSTRUCTED = b"\x07", b"\x08"
"""The forms: a pickle of built-in types alone, a pickle that calls constructors."""
CALL, FILL_CALL = b"h\x00", b"h\x01"
"""What puts the constructor, or what fills exceptions, on the unpickler's stack."""


def construct(*parts: object) -> bytes:
    """The bytes of a call of the constructor with these parts."""
    return CONSTRUCTED + CALL + encode(parts)[1:] + b"R"


def refused(data: bytes) -> str:
    """What `decode` says of `data`, which it must refuse, quickly."""
    started_s = time.process_time()
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert time.process_time() - started_s < 2
    return caught.value.problem
