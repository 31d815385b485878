"""Damage: whatever happened to stored bytes, they decode to a storable value or are refused."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

from parlour.storage.codec import decode, encode
from parlour.storage.errors import DecodeError

from ..support.hostile_bytes import BUILT_IN, CONSTRUCTED
from ..support.storable_values import stranger

ROOT = Path(__file__).parents[2]
MEBIBYTE = 1024 * 1024
MEMORY_MAX_BYTES = 64 * MEBIBYTE


def test_damage_to_real_values_is_refused_or_harmless() -> None:
    """10,000 mutations: a value of the closed list or DecodeError, in little time and memory."""
    command = [sys.executable, "-m", "tests.support.codec_mutations", "10000", "20261123"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["decoded"] > 1_000
    assert report["refused"] > 1_000
    assert report["slowest_s"] < 2
    assert report["memory_bytes"] < MEMORY_MAX_BYTES


def test_random_opcodes_are_refused_or_harmless() -> None:
    """Programs of allowed opcodes in any order never get past the codec's rules."""
    dice = random.Random(20261123)
    opcodes = [bytes([opcode]) for opcode in b"N()]}aestu0R\x85\x86\x87\x8f\x90\x91\x94"]
    opcodes += [b"K\x01", b"K\x0a", b"K\x0b", b"h\x00", b"h\x01", b"h\x02", b"h\x03", b"h\x04"]
    opcodes += [b"\x8c\x08KeyError", b"\x8a\x01\x05", b"\x96" + bytes(8)]
    decoded = 0
    for _ in range(20_000):
        form = dice.choice((BUILT_IN, CONSTRUCTED))
        try:
            value = decode(form + b"".join(dice.choices(opcodes, k=dice.randrange(1, 25))))
        except DecodeError:
            continue
        decoded += 1
        assert not stranger(value)
        assert encode(value)
    assert decoded > 100
