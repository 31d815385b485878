"""A check of pickled bytes before the unpickler sees them.

The scan runs the bytes on a stack machine of its own, which builds nothing: it knows of each
object only its kind, its depth and what hashing it would cost. Bytes that pass hold only the
opcodes that our encoder emits, used as it uses them:

- no import, no call but of the two constructors, no attribute set, no chosen memo slots;
- every length lies inside the data, so nothing is allocated beyond a small multiple of its size;
- lists are appended to, dicts are set, sets are added to, and nothing else is;
- nesting stays below `DEPTH_MAX`, since hashing a tuple recurses on the C stack;
- the work of hashing keys is bounded: a tuple that holds another twice, and so on forty levels
  deep, is 200 bytes long and would be hashed for hours.

Values of None, numbers, str, bytes, lists, dicts and sets, which is what most rooms store, cannot
break these rules in any order of opcodes but by depth: one regular expression does for them.

Not here: whether the parts of a constructor make sense (codec_types.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn

from .errors import DecodeError

DEPTH_MAX: Final = 2_000
"""Levels of nesting that stored values may have."""
_HASH_WORK_FREE: Final = 1_000_000
_HASH_WORK_PER_BYTE: Final = 16
_HASHED_BYTES_PER_WORK: Final = 32

(_ATOM, _LIST, _DICT, _SET, _TUPLE, _OBJECT) = range(6)
# From here on: what must never become part of a value.
(_NOTHING, _CONSTRUCT, _FILL) = range(6, 9)


class _Item(NamedTuple):
    """What is known of an object on the stack."""

    kind: int
    depth: int
    hash_work: int


# Most tuples of a value are alike: looked up faster than made.
_item: Final = lru_cache(maxsize=4096)(_Item)
_ATOM_ITEM: Final = _Item(_ATOM, 0, 1)
_EMPTY: Final = {kind: _Item(kind, 1, 1) for kind in (_LIST, _DICT, _SET, _TUPLE)}
_NOTHING_ITEM: Final = _Item(_NOTHING, 0, 0)
_CALLABLES: Final = (_Item(_CONSTRUCT, 0, 0), _Item(_FILL, 0, 0))

_MEMOIZE: Final = 0x94
# Opcode -> bytes of its value: None, True, False, int of 1, 2 and 4 bytes, float.
_SIZED_EXACTLY: Final = {0x4E: 0, 0x88: 0, 0x89: 0, 0x4B: 1, 0x4D: 2, 0x4A: 4, 0x47: 8}
# Opcode -> bytes of its length: str, bytes and int, short and long; bytearray.
_SIZED_BY_FIELD: Final = {0x8C: 1, 0x58: 4, 0x43: 1, 0x42: 4, 0x8A: 1, 0x8B: 4, 0x96: 8}

# The opcodes of plain values, up to the head of a str, bytes or int that tells its own length.
_PLAIN_RUN: Final = re.compile(
    rb"(?:[]}\x8f\x94(aesu\x90N\x88\x89]|[Kh].|M..|J.{4}|G.{8})*(?:[\x8cC\x8a](.))?", re.DOTALL
)

_OPENERS: Final = (b"]", b"}", b"\x8f")


def scan(body: bytes, *, constructors: bool) -> None:
    """Check `body`, a pickle without its header and its STOP.

    Args:
        constructors: Whether memo slots 0 and 1 hold the two callables or nothing.

    Raises:
        DecodeError: If it is anything but what the encoder may have written.
    """
    if constructors or not _is_plain(body):
        _Scan(body, constructors).run()


def _is_plain(body: bytes) -> bool:
    """Are there only opcodes that are harmless however they are arranged?

    What may still be wrong then the unpickler finds itself: an empty stack, a value put into the
    wrong container. Not that more than one value is left; the caller looks.
    """
    at, end = 0, len(body)
    runs = []
    while at < end:
        run = _PLAIN_RUN.match(body, at)
        if run is None or run.end() == at:
            return False
        runs.append(run[0])
        at = run.end() + (body[run.end() - 1] if run.start(1) >= 0 else 0)
    # A level of nesting takes an opcode, which no operand can hide, only feign.
    opcodes = b"" if end <= DEPTH_MAX else b"".join(runs)
    return at == end and sum(map(opcodes.count, _OPENERS)) <= DEPTH_MAX


class _Scan:
    def __init__(self, body: bytes, constructors: bool) -> None:
        self._body = body
        self._at = 0
        self._stack: list[_Item] = []
        self._below_marks: list[list[_Item]] = []
        self._memo = [*_CALLABLES] if constructors else [_NOTHING_ITEM, _NOTHING_ITEM]
        self._hash_work_left = _HASH_WORK_FREE + _HASH_WORK_PER_BYTE * len(body)

    def run(self) -> None:
        """Go through all opcodes; the most frequent ones first."""
        body, end = self._body, len(self._body)
        while self._at < end:
            opcode = body[self._at]
            self._at += 1
            if opcode == _MEMOIZE:
                self._memoize()
            elif opcode in _SIZED_BY_FIELD:
                self._push_sized(_SIZED_BY_FIELD[opcode])
            elif opcode in _SIZED_EXACTLY:
                self._at += _SIZED_EXACTLY[opcode]
                self._stack.append(_ATOM_ITEM)
            elif opcode in _OPERATIONS:
                _OPERATIONS[opcode](self)
            else:
                self._refuse(f"opcode 0x{opcode:02x} is not allowed")
        if self._at > end or self._below_marks or len(self._stack) != 1:
            self._refuse("data is cut off")
        self._measure(self._stack)

    def _push_sized(self, field_size_bytes: int) -> None:
        size_bytes = self._number(field_size_bytes)
        self._at += size_bytes
        # Also refuses an int of "negative" size, which read unsigned is too long.
        if self._at > len(self._body):
            self._refuse(f"{size_bytes:,} bytes are announced, fewer are left")
        work = 1 + size_bytes // _HASHED_BYTES_PER_WORK
        self._stack.append(_ATOM_ITEM if work == 1 else _item(_ATOM, 0, work))

    def _push_empty(self, kind: int) -> None:
        self._stack.append(_EMPTY[kind])

    def _push_tuple(self, items: list[_Item]) -> None:
        depth, work = self._measure(items)
        self._stack.append(self._checked(_item(_TUPLE, depth + 1, work + 1)))

    def _put_in(self, kind: int, items: list[_Item], hashed: list[_Item]) -> None:
        """Let the container on top of the stack take `items`, hashing some of them."""
        if not self._stack or self._stack[-1].kind != kind:
            self._refuse("items are put into something that is not their container")
        self._hash_work_left -= self._measure(hashed)[1]
        if self._hash_work_left < 0:
            self._refuse("its keys would take too long to hash")
        depth = self._measure(items)[0] + 1
        if depth > self._stack[-1].depth:
            self._stack[-1] = self._checked(_item(kind, depth, 1))

    def _put_pairs(self, items: list[_Item]) -> None:
        if len(items) % 2:
            self._refuse("a dict has a key without a value")
        self._put_in(_DICT, items, hashed=items[::2])

    def _push_frozenset(self) -> None:
        items = self._pop_mark()
        self._push_empty(_SET)
        self._put_in(_SET, items, hashed=items)

    def _mark(self) -> None:
        self._below_marks.append(self._stack)
        self._stack = []

    def _pop_mark(self) -> list[_Item]:
        if not self._below_marks:
            self._refuse("a mark is missing")
        items, self._stack = self._stack, self._below_marks.pop()
        return items

    def _pop(self, count: int) -> list[_Item]:
        if len(self._stack) < count:
            self._refuse("the stack is empty")
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def _memoize(self) -> None:
        if not self._stack or self._stack[-1].kind >= _NOTHING:
            self._refuse("nothing is there to be memoized")
        self._memo.append(self._stack[-1])

    def _get(self, field_size_bytes: int) -> None:
        slot = self._number(field_size_bytes)
        if slot >= len(self._memo):
            self._refuse(f"memo slot {slot:,} is used before it is set")
        self._stack.append(self._memo[slot])

    def _call(self) -> None:
        function, arguments = self._pop(2)
        if arguments.kind != _TUPLE:
            self._refuse("a call has no tuple of arguments")
        if function.kind == _CONSTRUCT:
            made = _item(_OBJECT, arguments.depth + 1, arguments.hash_work)
            self._stack.append(self._checked(made))
        elif function.kind == _FILL:
            self._stack.append(_NOTHING_ITEM)
        else:
            self._refuse("something is called that is not a constructor")

    def _frame(self) -> None:
        # The STOP that ends the last frame is not part of the body.
        if self._number(8) > len(self._body) + 1 - self._at:
            self._refuse("a frame is longer than the data")

    def _number(self, size_bytes: int) -> int:
        start = self._at
        self._at += size_bytes
        if self._at > len(self._body):
            self._refuse("data is cut off")
        return int.from_bytes(self._body[start : self._at], "little")

    def _measure(self, items: list[_Item]) -> tuple[int, int]:
        """Depth and work of hashing of `items` together; refuses callables among them."""
        if items.count(_ATOM_ITEM) == len(items):
            return 0, len(items)
        kinds, depths, works = zip(*items, strict=True)
        if max(kinds) >= _NOTHING:
            self._refuse("a constructor is used as a value")
        return max(depths), sum(works)

    def _checked(self, item: _Item) -> _Item:
        if item.depth > DEPTH_MAX:
            self._refuse(f"it is nested deeper than {DEPTH_MAX:,} levels")
        return item

    def _refuse(self, problem: str) -> NoReturn:
        raise DecodeError(f"{problem} (byte {self._at:,})")


_OPERATIONS: Final[dict[int, Callable[[_Scan], object]]] = {
    ord("("): _Scan._mark,
    ord(")"): lambda scan: scan._push_empty(_TUPLE),
    ord("]"): lambda scan: scan._push_empty(_LIST),
    ord("}"): lambda scan: scan._push_empty(_DICT),
    0x8F: lambda scan: scan._push_empty(_SET),
    0x85: lambda scan: scan._push_tuple(scan._pop(1)),
    0x86: lambda scan: scan._push_tuple(scan._pop(2)),
    0x87: lambda scan: scan._push_tuple(scan._pop(3)),
    ord("t"): lambda scan: scan._push_tuple(scan._pop_mark()),
    0x91: _Scan._push_frozenset,
    ord("a"): lambda scan: scan._put_in(_LIST, scan._pop(1), hashed=[]),
    ord("e"): lambda scan: scan._put_in(_LIST, scan._pop_mark(), hashed=[]),
    ord("s"): lambda scan: scan._put_pairs(scan._pop(2)),
    ord("u"): lambda scan: scan._put_pairs(scan._pop_mark()),
    0x90: lambda scan: scan._put_in(_SET, items := scan._pop_mark(), hashed=items),
    ord("h"): lambda scan: scan._get(1),
    ord("j"): lambda scan: scan._get(4),
    ord("R"): _Scan._call,
    0x95: _Scan._frame,
    ord("0"): lambda scan: scan._pop(1),
    ord("1"): _Scan._pop_mark,
}
