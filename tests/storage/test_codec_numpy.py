"""numpy arrays of plain dtypes are storable where numpy is; the codec imports it for them alone."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import pytest
from parlour.storage.codec import decode, encode
from parlour.storage.errors import DataCloneError, DecodeError

from ..support.requirements import require

PLAIN_DTYPES = ["?", "i1", "<u2", ">i4", "<i8", "<f2", ">f4", "<f8", "<c8", ">c16", "<M8[ns]",
                "<M8[25s]", "<m8[D]", "S5", "<U3", ">U7"]  # fmt: skip


@pytest.fixture
def numpy() -> Any:
    """The numpy module; the test is skipped without it."""
    require(importlib.util.find_spec("numpy"), "numpy is not installed (pip install numpy)")
    return importlib.import_module("numpy")


@pytest.mark.parametrize("trusted", [False, True], ids=["scanned", "trusted"])
@pytest.mark.parametrize("dtype", PLAIN_DTYPES)
def test_arrays_of_plain_dtypes_come_back(numpy: Any, dtype: str, trusted: bool) -> None:
    """Type, byte order, shape, memory order and every bit; fresh and writable."""
    flat = numpy.arange(24) % 7 if "M" not in dtype else numpy.arange(24)
    cube = flat.astype("i8").astype(dtype).reshape(2, 3, 4)
    arrays = [
        cube,
        cube.T,
        cube[:, ::2],
        cube[0, 0, :1].reshape(()),
        cube[:0],
        numpy.empty(0, dtype),
    ]
    arrays.append(numpy.frombuffer(bytes(cube.tobytes()), dtype))

    for array in arrays:
        again: Any = decode(encode({"a": [array, array]}), trusted=trusted)

        one, other = again["a"]
        assert one is other
        assert type(one) is numpy.ndarray
        assert (one.dtype, one.shape) == (array.dtype, array.shape)
        assert one.tobytes() == array.tobytes()
        assert one.flags.writeable
        assert one.flags.owndata
        if array.flags.c_contiguous or array.flags.f_contiguous:
            assert one.flags.f_contiguous == array.flags.f_contiguous


def test_other_arrays_are_refused(numpy: Any) -> None:
    """Objects, structures and sizes that differ between machines; subclasses and scalars too."""
    refused = {
        "dtype object is": numpy.array([object()]),
        "is not storable; convert it": numpy.zeros(2, [("a", "i4"), ("b", "f8")]),
        "dtype |V5 is": numpy.zeros(2, "V5"),
        "dtype |S0 is": numpy.zeros(2, [("empty", "S0")])["empty"],
        "store its .item()": numpy.int64(3),
        "numpy.float64 is not storable; store its .item()": numpy.float64(3),
        "MaskedArray is not storable; store its .filled(), a plain": numpy.ma.array([1]),
        "matrix is not storable; store numpy.asarray() of it": numpy.zeros((1, 2)).view(
            numpy.matrix
        ),
        "longdouble is not storable; store float() of it": numpy.longdouble(1),
    }
    if numpy.dtype("g").itemsize > 8:
        refused["is not storable; convert it with .astype()"] = numpy.zeros(1, "g")

    for sentence, array in refused.items():
        with pytest.raises(DataCloneError) as caught:
            encode({"samples": [array]})
        assert str(caught.value).startswith("samples[0]: ")
        assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "parts",
    [
        ("<i4", (10**12,), "C", bytes(8)),
        ("<i4", (2**63, 0), "C", b""),
        ("<i4", (-1, -2), "C", bytes(8)),
        ("<i4", (True, 2), "C", bytes(8)),
        ("<i4", [2], "C", bytes(8)),
        ("<i4", (2,), "K", bytes(8)),
        ("<i4", (2,), "C", bytearray(8)),
        ("<i4", (1,) * 65, "C", bytes(4)),
        ("|O", (1,), "C", bytes(8)),
        ("|V4", (1,), "C", bytes(4)),
        ("i4,f8", (1,), "C", bytes(12)),
        ("<g", (1,), "C", bytes(16)),
        ("<f16", (1,), "C", bytes(16)),
        ("|S0", (10**12,), "C", b""),
        ("<U0", (10**12,), "C", b""),
        ("|S999999999", (0,), "C", b""),
        ("|S99999999999", (0,), "C", b""),
        ("|b1", (3,), "C", b"\0\2\1"),
        ("<M8[parsec]", (1,), "C", bytes(8)),
        ("=i4", (1,), "C", bytes(4)),
    ],
    ids=repr,
)
def test_arrays_that_do_not_add_up_are_refused(numpy: Any, parts: tuple[object, ...]) -> None:
    """The bytes must be as many as dtype and shape ask for, and the dtype a plain one."""
    with pytest.raises(DecodeError):
        decode(b"\x08h\x00" + encode((12, *parts))[1:] + b"R")


def test_many_arrays_cannot_each_copy_the_same_bytes(numpy: Any) -> None:
    """Five thousand arrays over one bytes object of 60 kB would take 300 MB."""
    shared = [b"\x00" * 60_000, "|u1", (60_000,), "C"]
    setup = b"".join(encode([part])[3:-1] + b"0" for part in shared)
    each = b"h\x00(K\x0ch\x03h\x04h\x05h\x02tR0"

    with pytest.raises(DecodeError, match="the same bytes are used by many objects"):
        decode(b"\x08" + setup + each * 5_000 + b"N")


def test_numpy_is_not_imported_for_values_without_arrays() -> None:
    """Finding out that something is no array takes no numpy."""
    code = (
        "import sys\n"
        "from parlour.storage.codec import decode, encode\n"
        "from parlour.storage.errors import DataCloneError\n"
        "assert decode(encode([1, ValueError(2)]))[0] == 1\n"
        "try: encode(object())\n"
        "except DataCloneError: print('numpy' in sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)

    assert done.stdout == "False\n", done.stderr
