"""Stored bytes are data: whatever they hold, nothing is run, and nothing grows out of bounds."""

from __future__ import annotations

import os
import pickle
import pickletools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from parlour.storage.codec import decode
from parlour.storage.errors import DecodeError

from ..support.hostile_bytes import BUILT_IN, CALL, CONSTRUCTED, FILL_CALL, construct, refused


class Attack:
    """An object whose pickle runs a command."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch was_run",)


def hostile_pickles() -> Iterator[Any]:
    """Pickles of the usual kinds, by name."""
    touch = b"\x8c\x0dtouch was_run"
    for protocol in range(6):
        yield f"protocol {protocol}", pickle.dumps(Attack(), protocol)
    yield "GLOBAL", b"cos\nsystem\n" + touch + b"\x85R"
    yield "STACK_GLOBAL", b"\x8c\x02os\x8c\x06system\x93" + touch + b"\x85R"
    yield "the constructor by name", b"\x8c\x01p\x8c\x01c\x93K\x01K\x01\x86R"
    yield "a builtin by name", b"\x8c\x08builtins\x8c\x04eval\x93\x8c\x03[1]\x85R"
    yield "INST", b"(" + touch + b"ios\nsystem\n"
    yield "OBJ", b"(cos\nsystem\n" + touch + b"o"
    yield "NEWOBJ", b"\x8c\x02os\x8c\x06system\x93)\x81"
    yield "NEWOBJ_EX", b"h\x00)}\x92"
    yield "EXT1", b"\x82\x01"
    yield "EXT2", b"\x83\x01\x00"
    yield "EXT4", b"\x84\x01\x00\x00\x00"
    yield "PERSID", b"Pname\n"
    yield "BINPERSID", b"\x8c\x04nameQ"
    yield "NEXT_BUFFER", b"\x97"
    yield "READONLY_BUFFER", b"\x06\x98"
    yield "BUILD on a constructor", b"h\x00}\x8c\x07_budgetNsb"
    yield "BUILD on an exception", construct(10, "KeyError")[1:] + b"}b"
    yield "memo bomb", b"Nr\xff\xff\xff\x7f"
    yield "small memo put", b"Nq\x00"
    yield "text memo put", b"Np2147483647\n"
    yield "text opcodes", b"I1\n"
    yield "text of a number", b"L" + b"9" * 100_000 + b"L\n"
    yield "DUP", b"N2\x86"
    yield "another header", b"\x80\x05N"
    yield "a STOP inside", b"N.N"
    yield "no opcode", b"\xff"


@pytest.mark.parametrize("form", [BUILT_IN, CONSTRUCTED], ids=["built-in", "constructed"])
@pytest.mark.parametrize(
    "pickled", [pytest.param(data, id=name) for name, data in hostile_pickles()]
)
def test_hostile_pickles_are_refused(
    form: bytes, pickled: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, inside a value, and as something to be thrown away; and nothing was run."""
    monkeypatch.chdir(tmp_path)

    for body in (pickled, pickled.removesuffix(b"."), b"]" + pickled + b"a", pickled + b"0N"):
        refused(form + body)
    assert [*tmp_path.iterdir()] == []


def test_only_opcodes_that_the_encoder_emits_are_allowed() -> None:
    """Each opcode that pickle knows and the codec does not need is refused by its number."""
    needed = b"NKMJGXCB()]}aestuhjR01"
    needed += b"\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8f\x90\x91\x94\x95\x96"

    for opcode in pickletools.opcodes:
        code = opcode.code.encode("latin-1")
        if code not in needed:
            problem = refused(CONSTRUCTED + code + bytes(20))
            assert problem.startswith(f"opcode 0x{code.hex()} is not allowed")


def test_the_unpickler_itself_resolves_nothing_but_the_constructors() -> None:
    """Even without the scan, which bytes of our own are spared, no name is looked up."""
    for named in (b"\x8c\x02os\x8c\x06system\x93", b"cos\nsystem\n", b"\x8c\x01p\x8c\x01x\x93"):
        with pytest.raises(DecodeError, match="is not a storable type"):
            decode(CONSTRUCTED + named + b")R", trusted=True)


@pytest.mark.parametrize(
    "body",
    [
        CALL,
        FILL_CALL,
        b"]" + CALL + b"a",
        CALL + b"\x85",
        CALL + b"\x94",
        b"(" + CALL + b"Nu",
        b"}N" + CALL + b"s",
        CALL + b"K\x01\x85" + b"\x85R",
        FILL_CALL + b"N)\x86R",
        b"K\x01)R",
        b"h\x02",
        CALL + b"K\x01R",
        CALL + CALL + b"\x85R",
    ],
)
def test_a_constructor_never_becomes_part_of_a_value(body: bytes) -> None:
    """It may be called, with a tuple of values; nothing else may be done with it."""
    refused(CONSTRUCTED + body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"N0",
        b"NN",
        b"(",
        b"(N",
        b"N(",
        b"\x94",
        b"0",
        b"1",
        b"t",
        b"\x85",
        b"]a",
        b"Na",
        b"(e",
        b"}(Nu",
        b"]NNs",
        b"}Na",
        b"\x8f(]\x90",
        b"](]\x90",
        b"}]Ns",
        b"(]\x91",
        b"N(0",
        b"h\x00h\x00\x86",
        b"K",
        b"J\x00\x00",
        b"G\x00",
        b"\x8c\x05abcd",
        b"X\x05\x00\x00\x00abcd",
        b"X\xff\xff\xff\xff",
        b"B\xff\xff\xff\x7f",
        b"\x8d" + bytes(8),
        b"\x8e" + bytes(8),
        b"\x96" + struct.pack("<Q", 10**12),
        b"\x96" + struct.pack("<Q", 2**64 - 1),
        b"\x8b\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\xff",
        b"\x8a\x04abc",
        b"j\xff\xff\xff\xff",
        b"\x95" + struct.pack("<Q", 10**12) + b"N",
        b"\x95" + struct.pack("<Q", 2**63) + b"N",
        b"\x8c\x01\xff",
    ],
    ids=lambda body: body[:9].hex() or "nothing",
)
@pytest.mark.parametrize("form", [BUILT_IN, CONSTRUCTED], ids=["built-in", "constructed"])
def test_malformed_pickles_are_refused(form: bytes, body: bytes) -> None:
    """Empty stacks, missing marks, wrong containers, lengths beyond the data."""
    refused(form + body)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x09x",
        b"\x7f",
        b"\x00\x00",
        b"\x80\x80",
        b"\x03",
        b"\x04",
        b"\x04" + bytes(7),
        b"\x04" + bytes(9),
        b"\x05\xff",
        b"\x07",
        b"\x08",
        *(pickle.dumps(Attack(), protocol) for protocol in range(6)),
    ],
    ids=lambda data: data[:6].hex() or "nothing",
)
def test_malformed_short_forms_are_refused(data: bytes) -> None:
    """No form, a form without its body, a body of the wrong length."""
    refused(data)


@pytest.mark.parametrize("form", [BUILT_IN, CONSTRUCTED], ids=["built-in", "constructed"])
def test_a_frame_inside_the_data_changes_nothing(form: bytes) -> None:
    """Wherever it begins and ends, the unpickler goes on reading what the scan has seen."""
    for size in range(8):
        frame = b"\x95" + struct.pack("<Q", size)
        assert decode(form + frame + b"](" + frame + b"K\x05NK\x06" + b"e") == [5, None, 6]


@pytest.mark.parametrize("ending", [b"", b"\x8f(h\x02\x90", b"}h\x02Ns"], ids=["", "set", "dict"])
def test_deep_nesting_is_refused(ending: bytes) -> None:
    """A tuple nested a hundred thousand deep would overflow the C stack when it is hashed."""
    assert "nested deeper" in refused(BUILT_IN + b")" + b"\x85" * 100_000 + b"\x94" + ending)
    assert "nested deeper" in refused(BUILT_IN + b"]" * 100_000 + b"a" * 99_999)
    assert "nested deeper" in refused(BUILT_IN + b"N" + b"]" * 3_000 + b"a" * 2_999 + b"\x86")
    nested = b"}N" * 100_000 + b"N" + b"s" * 100_000
    assert "nested deeper" in refused(BUILT_IN + nested)


def test_keys_that_would_be_hashed_for_hours_are_refused() -> None:
    """A tuple of a tuple twice, sixty levels deep, has 2**60 parts to hash."""
    doubled = b")\x940" + b"".join(b"h%ch%c\x86\x940" % (n, n) for n in range(2, 62))

    for use in (b"\x8f(h\x3e\x90", b"}h\x3eNs", b"(h\x3e\x91", b"}(h\x3eNu"):
        assert "too long to hash" in refused(BUILT_IN + doubled + use)
    assert isinstance(decode(BUILT_IN + doubled + b"h\x3e"), tuple)


def test_hashing_the_same_long_number_again_and_again_is_refused() -> None:
    """An int's hash is not kept, so a long one costs its length at every use as a key."""
    long = b"\x8b" + struct.pack("<I", 60_000) + b"\x01" * 60_000 + b"\x94"

    assert "too long to hash" in refused(BUILT_IN + long + b"0\x8f(" + b"h\x02" * 30_000 + b"\x90")
