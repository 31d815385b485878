"""What building the objects of one stored value may cost, and what their parts must be.

Most objects cost no more than their bytes suggest. The rest is paid from a `Budget`: stored bytes
may hold a text once and use it for a thousand objects that each copy it, and a pattern of a few
characters may take milliseconds to compile.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

PATTERN_WORK_MAX: Final = 65_536
"""The most that compiling the patterns of one value may cost, in about 2 microseconds each."""
_COPIED_BYTES_FREE: Final = 65_536
_WIDE_RANGE: Final = re.compile(
    r"-(?:\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|(\\N)|([^\0-\xff]))", re.DOTALL
)

_Part = TypeVar("_Part")


class Budget:
    """What building the objects of one value may still cost."""

    __slots__ = ("_copied_bytes_left", "_pattern_work_left")

    def __init__(self, data_size_bytes: int) -> None:
        self._copied_bytes_left = data_size_bytes + _COPIED_BYTES_FREE
        self._pattern_work_left = PATTERN_WORK_MAX

    def copy(self, size_bytes: int) -> None:
        """Pay for a copy of that many stored bytes."""
        self._copied_bytes_left -= size_bytes
        if self._copied_bytes_left < 0:
            raise ValueError("the same bytes are used by many objects")

    def compile(self, pattern: str | bytes) -> None:
        """Pay for compiling `pattern`."""
        self._pattern_work_left -= pattern_work(pattern)
        if self._pattern_work_left < 0:
            raise ValueError(f"patterns cost more than {PATTERN_WORK_MAX:,} to compile")


def pattern_work(pattern: str | bytes) -> int:
    """Estimate what compiling `pattern` costs: its length, and the wide ranges in its sets.

    The compiler goes over the first 65,536 characters of a range such as `[a-z]` one by one.
    """
    work = len(pattern)
    if isinstance(pattern, str):
        for short, long, named, literal in _WIDE_RANGE.findall(pattern):
            end = 0xFFFF if named else ord(literal) if literal else int(short or long, 16)
            work += min(end, 0xFFFF) // 32
    return work


def exactly(kind: type[_Part], part: object) -> _Part:
    """Return `part`, which must be of that type and of no subclass."""
    if type(part) is not kind:
        raise TypeError(f"a part is {type(part).__name__} where {kind.__name__} belongs")
    return part
