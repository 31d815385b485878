"""numpy arrays of plain dtypes as storable values: dtype, shape, order and the bytes.

numpy is never imported to find out that a value is no array; only bytes that hold an array
import it. Shared memory between arrays is not kept: each comes back with its own.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from typing import Any, Final

_DTYPE: Final = re.compile(r"[<>|][biufcmMSU]\d{1,9}(?:\[\d{0,9}[a-zA-Zμ]{1,7}\])?")
_DIMENSIONS_MAX: Final = 64
# An empty array has no bytes that its itemsize could be measured against.
_EMPTY_ITEMSIZE_BYTES_MAX: Final = 4096
# Above these, floats are of a size that differs between machines (`longdouble`).
_ITEMSIZE_BYTES_MAX: Final = {"f": 8, "c": 16}


def is_array(value: object) -> bool:
    """Is `value` exactly a numpy array? Does not import numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is getattr(numpy, "ndarray", None)


def array_problem(array: Any) -> str:
    """Why `array` cannot be stored, or an empty string."""
    dtype = array.dtype
    if dtype.names is None and _DTYPE.fullmatch(dtype.str) and _plausible(dtype, array.size):
        return ""
    return f"numpy.ndarray of dtype {dtype} is not storable"


def numpy_advice(value: object) -> str:
    """What to store instead of what is numpy's and no plain array, or an empty string."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return ""
    if isinstance(value, numpy.ma.MaskedArray):
        return "store its .filled(), a plain array, and its .mask"
    if isinstance(value, numpy.ndarray):
        return "store numpy.asarray() of it, which is a plain array"
    if isinstance(value, numpy.longdouble):
        return "store float() of it"
    return "store its .item()" if isinstance(value, numpy.generic) else ""


def array_parts(array: Any) -> tuple[str, tuple[int, ...], str, bytes]:
    """Take an array apart: dtype, shape, order, bytes."""
    flags = array.flags
    order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    return array.dtype.str, array.shape, order, array.tobytes(order)


def make_array(dtype_name: object, shape: object, order: object, data: object) -> object:
    """Build a fresh array, after checking that the parts agree."""
    if type(dtype_name) is not str or not _DTYPE.fullmatch(dtype_name):
        raise ValueError("dtype of an array is not a plain one")
    if type(shape) is not tuple or len(shape) > _DIMENSIONS_MAX or order not in ("C", "F"):
        raise ValueError("shape or order of an array is out of range")
    if not all(type(length) is int and 0 <= length < 2**63 for length in shape):
        raise ValueError("a dimension of an array is out of range")
    numpy = importlib.import_module("numpy")
    dtype = numpy.dtype(dtype_name)
    count = math.prod(shape)
    if type(data) is not bytes or len(data) != count * dtype.itemsize:
        raise ValueError("an array has not the bytes that its shape asks for")
    if dtype.str != dtype_name or not _plausible(dtype, count):
        raise ValueError("dtype of an array is not a plain one")
    if dtype.kind == "b" and data.strip(b"\0\1"):
        raise ValueError("an array of booleans holds other bytes than 0 and 1")
    if not count:
        return numpy.empty(shape, dtype, order=order)
    return numpy.ndarray(shape, dtype, buffer=data, order=order).copy(order=order)


def _plausible(dtype: Any, count: int) -> bool:
    """Is the itemsize one that the bytes can vouch for? (Zero never is.)"""
    limit = _ITEMSIZE_BYTES_MAX.get(dtype.kind, math.inf if count else _EMPTY_ITEMSIZE_BYTES_MAX)
    return 0 < int(dtype.itemsize) <= limit
