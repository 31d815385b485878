"""The storable types that pickle's own opcodes do not carry, each taken apart and built again.

An object of these types is stored as a call of `CONSTRUCT` with a number for its type and parts
made of None, int, str, bytes and tuples; an exception is afterwards filled by `FILL`. These two
are the only callables that stored bytes can reach. The numbers are part of the stored format:
they never change their meaning.

Every builder checks the types of its parts and pays from a `Budget` for what costs more than its
bytes suggest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from .codec_budget import PATTERN_WORK_MAX, Budget, exactly, pattern_work
from .codec_exceptions import fill, make_empty, make_whole, storable_exception
from .codec_numpy import array_parts, array_problem, is_array, make_array
from .codec_refusal import NotStorable
from .codec_time import (
    Parts,
    date_parts,
    datetime_parts,
    make_date,
    make_datetime,
    make_time,
    make_timedelta,
    make_timezone,
    make_zone,
    time_parts,
    timedelta_parts,
    timezone_parts,
    zone_parts,
)

(_DATE, _TIME, _DATETIME, _TIMEDELTA, _TIMEZONE, _ZONE, _DECIMAL, _UUID) = range(1, 9)
(_PATTERN, _EXCEPTION, _WHOLE_EXCEPTION, _ARRAY) = range(9, 13)

_PATTERN_FLAGS: Final = int(re.A | re.I | re.L | re.M | re.S | re.U | re.X)
# Of our own: the user's may write exponents in lower case.
_DECIMAL_CONTEXT: Final = Context(capitals=1, traps=[InvalidOperation])


class Construct:
    """Builds the objects of one value. Cannot be changed, also not by pickle's BUILD."""

    __slots__ = ("_budget",)
    _budget: Budget

    def __init__(self, budget: Budget) -> None:
        object.__setattr__(self, "_budget", budget)

    def __call__(self, number: object, *parts: Any) -> object:
        kind = exactly(int, number)
        if kind in _MAKERS:
            return _MAKERS[kind](*parts)
        if kind in _PAYING_MAKERS:
            return _PAYING_MAKERS[kind](self._budget, *parts)
        raise ValueError(f"there is no type number {kind}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a constructor of stored values cannot be changed")


class Fill:
    """Gives an exception its arguments. Cannot be changed, also not by pickle's BUILD."""

    __slots__ = ()

    def __call__(self, value: object, args: object) -> None:
        fill(value, args)


CONSTRUCT: Final = Construct(Budget(0))
"""Stands for the constructor when encoding, where nothing is built."""
FILL: Final = Fill()


def reduction(value: Any) -> tuple[object, ...]:
    """Take `value` apart, as a pickler wants it: callable, arguments; and what fills it.

    Raises:
        NotStorable: If its type is not in the closed list.
    """
    if type(value) in _PARTS:
        number, parts_of = _PARTS[type(value)]
        return CONSTRUCT, (number, *parts_of(value))
    if isinstance(value, BaseException):
        name, args, whole = storable_exception(value)
        if whole:
            return CONSTRUCT, (_WHOLE_EXCEPTION, name, args)
        return CONSTRUCT, (_EXCEPTION, name), args, None, None, FILL
    if is_array(value):
        problem = array_problem(value)
        if problem:
            raise NotStorable(value, problem, "convert it with .astype(), or store its .tolist()")
        return CONSTRUCT, (_ARRAY, *array_parts(value))
    raise NotStorable(value)


def _decimal_parts(value: Decimal) -> Parts:
    return (_DECIMAL_CONTEXT.to_sci_string(value),)


def _make_decimal(budget: Budget, text: object) -> Decimal:
    digits = exactly(str, text)
    budget.copy(len(digits))
    value = Decimal(digits, _DECIMAL_CONTEXT)
    if _DECIMAL_CONTEXT.to_sci_string(value) != digits:
        raise ValueError("a Decimal is not in the form that is stored")
    return value


def _uuid_parts(value: UUID) -> Parts:
    return (value.bytes,)


def _make_uuid(data: object) -> UUID:
    return UUID(bytes=exactly(bytes, data))


def _pattern_parts(value: re.Pattern[Any]) -> Parts:
    if type(value.pattern) is not str and type(value.pattern) is not bytes:
        raise NotStorable(value, "re.Pattern of neither str nor bytes is not storable")
    if pattern_work(value.pattern) > PATTERN_WORK_MAX:
        advice = "store its text and compile it when needed"
        raise NotStorable(value, "re.Pattern is costly to compile", advice)
    return value.pattern, value.flags & _PATTERN_FLAGS


def _make_pattern(budget: Budget, pattern: object, flags: object) -> re.Pattern[Any]:
    if type(pattern) is not str and type(pattern) is not bytes:
        raise TypeError("a pattern is a str or bytes")
    if exactly(int, flags) & ~_PATTERN_FLAGS:
        raise ValueError("a pattern has unknown flags")
    budget.compile(pattern)
    return re.compile(pattern, exactly(int, flags))


def _make_array(
    budget: Budget, dtype: object, shape: object, order: object, data: object
) -> object:
    budget.copy(len(exactly(bytes, data)))
    return make_array(dtype, shape, order, data)


def _make_whole_exception(budget: Budget, name: object, args: object) -> BaseException:
    # A group copies its list of exceptions, eight bytes each.
    sequences = [part for part in exactly(tuple, args) if type(part) in (list, tuple)]
    budget.copy(8 * sum(map(len, sequences)))
    return make_whole(name, args)


_PARTS: Final[dict[type, tuple[int, Callable[[Any], Parts]]]] = {
    date: (_DATE, date_parts),
    time: (_TIME, time_parts),
    datetime: (_DATETIME, datetime_parts),
    timedelta: (_TIMEDELTA, timedelta_parts),
    timezone: (_TIMEZONE, timezone_parts),
    ZoneInfo: (_ZONE, zone_parts),
    Decimal: (_DECIMAL, _decimal_parts),
    UUID: (_UUID, _uuid_parts),
    re.Pattern: (_PATTERN, _pattern_parts),
}
_MAKERS: Final[dict[int, Callable[..., object]]] = {
    _DATE: make_date,
    _TIME: make_time,
    _DATETIME: make_datetime,
    _TIMEDELTA: make_timedelta,
    _TIMEZONE: make_timezone,
    _ZONE: make_zone,
    _UUID: _make_uuid,
    _EXCEPTION: make_empty,
}
_PAYING_MAKERS: Final[dict[int, Callable[..., object]]] = {
    _DECIMAL: _make_decimal,
    _PATTERN: _make_pattern,
    _WHOLE_EXCEPTION: _make_whole_exception,
    _ARRAY: _make_array,
}
