"""Values to bytes and back: a closed list of types, never anything else.

Storable are None, bool, int of any size, float, str (lone surrogates too), bytes, bytearray, list,
tuple, dict, set, frozenset, date, time, datetime, timedelta, timezone, ZoneInfo, Decimal, UUID,
compiled patterns, exceptions (codec_exceptions.py says as what) and numpy arrays of plain dtypes.
Shared references and cycles come back as such. Types count exactly: an instance of a subclass (an
Enum member, a namedtuple, a dataclass) is refused, since it would come back as something else.

The first byte tells the form. Plain scalars have short forms of their own, since a room may hold
millions; everything else is pickle protocol 5 restricted both ways. The pickler's own opcodes
carry the built-in types; the others are calls of two constructors (codec_types.py) that sit in
memo slots 0 and 1 and so take two bytes a use. Decoding puts them there and resolves nothing else.
Header, frame and STOP, the same in every small pickle, are left out and put back.

    00 None   01 False   02 True   80..FF the ints 0 to 127
    03 int, little-endian two's complement   04 float, 8 bytes big-endian
    05 str, UTF-8 with surrogates passed   06 bytes
    07 pickle of built-in types   08 pickle that calls constructors

Not promised: equal values need not have equal bytes. Who can write the database can still store
a dict whose keys collide, which takes time quadratic in its size to build.
"""

from __future__ import annotations

import pickle
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from re import Pattern
from typing import Any, Final

from .codec_budget import PATTERN_WORK_MAX, Budget, pattern_work
from .codec_refusal import NotStorable, name_of, refusal
from .codec_scan import DEPTH_MAX, scan
from .codec_types import CONSTRUCT, FILL, Construct, reduction
from .errors import DataCloneError, DecodeError

_POOLED_PICKLERS_MAX: Final = 4
# A pickler that wrote more keeps a large buffer: it is dropped instead of pooled.
_POOLED_SIZE_BYTES_MAX: Final = 65_536

_INT, _FLOAT, _STR, _BYTES, _BUILT_IN, _CONSTRUCTED = (bytes([form]) for form in range(3, 9))
_SMALL_INTS: Final = tuple(bytes([0x80 + value]) for value in range(128))
_FLOAT_BODY: Final = struct.Struct(">d")
_FRAME: Final = struct.Struct("<cQ")
_FRAME_OPCODE: Final = b"\x95"
_STOP: Final = b"."
_PROTOCOL_SIZE_BYTES: Final = 2
# What a pickle of one frame starts with: protocol and frame.
_HEADER_SIZE_BYTES: Final = _PROTOCOL_SIZE_BYTES + _FRAME.size

# Fill memo slots 0 and 1: with None, or with what find_class answers to `p.c` and `p.f`.
_NO_CONSTRUCTORS: Final = b"N\x94\x940"
_CONSTRUCTORS: Final = b"\x8c\x01p\x8c\x01c\x93\x940\x8c\x01p\x8c\x01f\x93\x940"


def encode(value: object, *, key: str | None = None) -> bytes:
    """Turn a storable value into bytes, never empty; later changes of `value` do not matter.

    With a `key`, the value is one of a mapping, and errors name it by that key.

    Raises:
        DataCloneError: If it, or something inside it, is of no storable type, or is nested too
            deep: as far as the interpreter recurses (some 450 levels by default), at most 2,000.
    """
    short_form = _SHORT_FORMS.get(type(value))
    if short_form is not None:
        return short_form(value)
    try:
        pickler = _idle_picklers.pop()
    except IndexError:
        pickler = _Pickler()
    try:
        return pickler.encode(value)
    except NotStorable as cause:
        raise refusal(value, cause, key) from None
    except RecursionError:
        problem = (
            "it is nested too deeply for Python's recursion limit of "
            f"{sys.getrecursionlimit():,} (two steps a list or dict), "
            "or contains itself through an exception"
        )
        raise DataCloneError(name_of(key), problem, "store flatter data") from None
    except DataCloneError as cause:  # nested too deeply, found by the pickler itself
        raise DataCloneError(name_of(key), cause.problem, cause.advice) from None


def decode(data: bytes, *, trusted: bool = False) -> object:
    """Turn encoded bytes into a fresh value.

    Args:
        data: What `encode` returned.
        trusted: Whether this process encoded `data`, or has decoded it before: spares the scan.

    Raises:
        DecodeError: If `data` is anything else. Nothing in it was imported, called or executed.
    """
    if len(data) <= 1:
        if data in _SINGLE_BYTES:
            return _SINGLE_BYTES[data]
        raise DecodeError(f"there is no form 0x{data.hex()}" if data else "it is empty")
    decoder = _DECODERS.get(data[0])
    if decoder is None:
        raise DecodeError(f"there is no form 0x{data[:1].hex()} of {len(data):,} bytes")
    try:
        return decoder(data[1:], trusted)
    except (DecodeError, MemoryError):
        raise
    except Exception as problem:
        raise DecodeError(f"{type(problem).__name__}: {problem!s:.200}") from problem


class _Pickler(pickle.Pickler):
    """Encodes one value after another; not two at a time."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._constructs = False
        self._pattern_work = 0
        super().__init__(_Sink(self._chunks.append), 5, buffer_callback=_refuse_buffer)
        self._prime()

    def encode(self, value: object) -> bytes:
        """Encode `value`. Not to be used again after an exception."""
        self.dump(value)
        chunks = self._chunks
        pickled = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        one_frame = len(chunks) == 1 and pickled[2:3] == _FRAME_OPCODE
        body = pickled[_HEADER_SIZE_BYTES if one_frame else _PROTOCOL_SIZE_BYTES : -1]
        if len(body) > 2 * DEPTH_MAX:
            _refuse_deep(body, self._constructs)
        form = _CONSTRUCTED if self._constructs else _BUILT_IN
        if len(body) <= _POOLED_SIZE_BYTES_MAX and len(_idle_picklers) < _POOLED_PICKLERS_MAX:
            chunks.clear()
            self._prime()
            _idle_picklers.append(self)
        return form + body

    def _prime(self) -> None:
        """Forget the last value; put the callables into memo slots 0 and 1."""
        self.memo = _PRIMED.memo
        self._constructs = False
        self._pattern_work = 0

    def reducer_override(self, value: Any) -> Any:
        """Take apart what the pickler has no opcode for, or refuse it."""
        self._constructs = True
        taken_apart = reduction(value)
        if type(value) is Pattern:
            self._pattern_work += pattern_work(value.pattern)
            if self._pattern_work > PATTERN_WORK_MAX:
                problem = "re.Pattern is one too many: all together are costly to compile"
                raise NotStorable(value, problem, "store their texts instead")
        return taken_apart


@dataclass(frozen=True)
class _Sink:
    """The file that a pickler writes to: a list of chunks."""

    write: Callable[[bytes], object]


class _Unpickler(pickle.Unpickler):
    """Resolves the two constructors of one value, and nothing else."""

    def __init__(self, pickled: bytes, construct: Construct) -> None:
        super().__init__(BytesIO(pickled))
        self._construct = construct

    def find_class(self, module: str, name: str) -> object:
        """Answer what the prefix of every pickle asks for; the scan lets nobody else ask."""
        if module == "p" and name == "c":
            return self._construct
        if module == "p" and name == "f":
            return FILL
        raise DecodeError(f"{module}.{name} is not a storable type")


def _decode_built_in(body: bytes, trusted: bool) -> object:
    if trusted:
        return pickle.loads(_NO_CONSTRUCTORS + body + _STOP)
    scan(body, constructors=False)
    # In a tuple behind another: bytes that were cut off leave more on the stack than one value.
    below, value = _unpickled(_NO_CONSTRUCTORS + b")" + body + b"\x86" + _STOP, 0)
    if below != ():
        raise DecodeError("data is cut off")
    return value


def _decode_constructed(body: bytes, trusted: bool) -> object:
    if not trusted:
        scan(body, constructors=True)
    return _unpickled(_CONSTRUCTORS + body + _STOP, len(body))


def _unpickled(pickled: bytes, budget_size_bytes: int) -> Any:
    # One frame around all: the unpickler then reads from memory alone, so that a frame inside,
    # which the scan cannot follow across reads, has no effect.
    framed = _FRAME.pack(_FRAME_OPCODE, len(pickled)) + pickled
    return _Unpickler(framed, Construct(Budget(budget_size_bytes))).load()


def _refuse_buffer(buffer: pickle.PickleBuffer) -> bool:
    # The one type besides ours that the pickler would write without asking.
    raise NotStorable(buffer)


def _refuse_deep(body: bytes, constructs: bool) -> None:
    """Refuse what decoding would refuse, where the interpreter lets the pickler go so deep."""
    if sys.version_info < (3, 12) and sys.getrecursionlimit() <= DEPTH_MAX:
        return
    # Every level ends with one of these; the bytes of strings only add to the count.
    if sum(map(body.count, (b"a", b"e", b"s", b"u", b"t", b"R", b"\x85", b"\x86", b"\x87"))) > (
        DEPTH_MAX // 2
    ):
        try:
            scan(body, constructors=constructs)
        except DecodeError as refused:
            raise DataCloneError("value", refused.problem, "store flatter data") from None


def _encode_int(value: int) -> bytes:
    if 0 <= value < 128:
        return _SMALL_INTS[value]
    return _INT + value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)


def _encode_str(value: str) -> bytes:
    try:
        return _STR + value.encode()
    except UnicodeEncodeError:
        return _STR + value.encode("utf-8", "surrogatepass")


def _decode_float(body: bytes, _: bool) -> float:
    return float(_FLOAT_BODY.unpack(body)[0])


_PRIMED: Final = pickle.Pickler(BytesIO())
_PRIMED.memo = {id(CONSTRUCT): (0, CONSTRUCT), id(FILL): (1, FILL)}
_idle_picklers: Final[list[_Pickler]] = []

_SHORT_FORMS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda value: b"\x00",
    bool: lambda value: b"\x02" if value else b"\x01",
    int: _encode_int,
    float: lambda value: _FLOAT + _FLOAT_BODY.pack(value),
    str: _encode_str,
    bytes: lambda value: _BYTES + value,
}
_SINGLE_BYTES: Final[dict[bytes, object]] = {
    b"\x00": None,
    b"\x01": False,
    b"\x02": True,
    _STR: "",
    _BYTES: b"",
    **{encoded: value for value, encoded in enumerate(_SMALL_INTS)},
}
_DECODERS: Final[dict[int, Callable[[bytes, bool], object]]] = {
    _INT[0]: lambda body, trusted: int.from_bytes(body, "little", signed=True),
    _FLOAT[0]: _decode_float,
    _STR[0]: lambda body, trusted: body.decode("utf-8", "surrogatepass"),
    _BYTES[0]: lambda body, trusted: body,
    _BUILT_IN[0]: _decode_built_in,
    _CONSTRUCTED[0]: _decode_constructed,
}
