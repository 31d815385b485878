"""The storable types that pickle's own opcodes do not carry, each taken apart and built again.

An object of these types is stored as a call of `CONSTRUCT` with a number for its type and parts
made of None, int, str, bytes and tuples; an exception is afterwards filled by `FILL`. These two
are the only callables that stored bytes can reach. The numbers are part of the stored format:
they never change their meaning.

Every builder checks the types of its parts, and whatever costs more than its bytes suggest is
paid from a `Budget`: bytes that are copied, and patterns that are compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from .codec_exceptions import fill, make_empty, make_whole, storable_exception
from .codec_numpy import array_parts, array_problem, is_array, make_array
from .codec_refusal import NotStorable

PATTERN_WORK_MAX: Final = 65_536
"""The most that compiling the patterns of one value may cost, in about 2 microseconds each."""
_COPIED_BYTES_FREE: Final = 65_536

(_DATE, _TIME, _DATETIME, _TIMEDELTA, _TIMEZONE, _ZONE, _DECIMAL, _UUID) = range(1, 9)
(_PATTERN, _EXCEPTION, _WHOLE_EXCEPTION, _ARRAY) = range(9, 13)

_MICROSECOND: Final = timedelta(microseconds=1)
_ZONE_KEY: Final = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,4}")
_PATTERN_FLAGS: Final = int(re.A | re.I | re.L | re.M | re.S | re.U | re.X)
_WIDE_RANGE: Final = re.compile(
    r"-(?:\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|(\\N)|([^\0-\xff]))", re.DOTALL
)
# Of our own: the user's may write exponents in lower case.
_DECIMAL_CONTEXT: Final = Context(capitals=1, traps=[InvalidOperation])

_Part = TypeVar("_Part")
Reduction = tuple[object, ...]
"""What a pickler is told: callable, arguments and, to be filled: state, None, None, filler."""


class Budget:
    """What building the objects of one value may still cost."""

    __slots__ = ("copied_bytes_left", "pattern_work_left")

    def __init__(self, data_size_bytes: int) -> None:
        self.copied_bytes_left = data_size_bytes + _COPIED_BYTES_FREE
        self.pattern_work_left = PATTERN_WORK_MAX

    def copy(self, size_bytes: int) -> None:
        """Pay for a copy of bytes that the stored value may hold once and use many times."""
        self.copied_bytes_left -= size_bytes
        if self.copied_bytes_left < 0:
            raise ValueError("the same bytes are used by many objects")

    def compile(self, pattern: str | bytes) -> None:
        """Pay for compiling `pattern`."""
        self.pattern_work_left -= pattern_work(pattern)
        if self.pattern_work_left < 0:
            raise ValueError(f"patterns cost more than {PATTERN_WORK_MAX:,} to compile")


class Construct:
    """Builds the objects of one value. Cannot be changed, also not by pickle's BUILD."""

    __slots__ = ("_budget",)
    _budget: Budget

    def __init__(self, budget: Budget) -> None:
        object.__setattr__(self, "_budget", budget)

    def __call__(self, number: object, *parts: Any) -> object:
        build = _BUILDERS.get(number) if type(number) is int else None
        if build is None:
            raise ValueError("unknown type number")
        return build(self._budget, *parts)

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


def reduction(value: Any) -> Reduction:
    """Take `value` apart.

    Raises:
        NotStorable: If its type is not in the closed list.
    """
    take_apart = _PARTS.get(type(value))
    if take_apart is not None:
        return CONSTRUCT, take_apart(value)
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


def pattern_work(pattern: str | bytes) -> int:
    """Estimate what compiling `pattern` costs: its length, and the wide ranges in its sets.

    The compiler goes over the first 65,536 characters of a range `[a-z]` one by one.
    """
    work = len(pattern)
    if isinstance(pattern, str):
        for short, long, named, literal in _WIDE_RANGE.findall(pattern):
            end = 0xFFFF if named else ord(literal) if literal else int(short or long, 16)
            work += min(end, 0xFFFF) // 32
    return work


# --- dates and times: a count of days or microseconds


def _date_parts(value: date) -> Reduction:
    return _DATE, value.toordinal()


def _build_date(_: Budget, ordinal: object) -> date:
    return date.fromordinal(_integer(ordinal))


def _time_parts(value: time) -> Reduction:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    count = (seconds * 1_000_000 + value.microsecond) * 2 + value.fold
    return (_TIME, count) if value.tzinfo is None else (_TIME, count, value.tzinfo)


def _build_time(_: Budget, count: object, zone: object = None) -> time:
    microseconds, fold = divmod(_integer(count), 2)
    seconds, microsecond = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return time(hour, minute, second, microsecond, _time_zone(zone), fold=fold)


def _datetime_parts(value: datetime) -> Reduction:
    zone = value.tzinfo
    naive = value if zone is None else value.replace(tzinfo=None)
    count = (naive - datetime.min) // _MICROSECOND * 2 + value.fold
    return (_DATETIME, count) if zone is None else (_DATETIME, count, zone)


def _build_datetime(_: Budget, count: object, zone: object = None) -> datetime:
    microseconds, fold = divmod(_integer(count), 2)
    naive = datetime.min + timedelta(microseconds=microseconds)
    if zone is None and not fold:
        return naive
    return naive.replace(tzinfo=_time_zone(zone), fold=fold)


def _timedelta_parts(value: timedelta) -> Reduction:
    return _TIMEDELTA, value // _MICROSECOND


def _build_timedelta(_: Budget, microseconds: object) -> timedelta:
    return timedelta(microseconds=_integer(microseconds))


# --- time zones


def _timezone_parts(value: timezone) -> Reduction:
    offset = value.utcoffset(None)
    name = value.tzname(None)
    parts = (_TIMEZONE, offset // _MICROSECOND)
    return parts if name == timezone(offset).tzname(None) else (*parts, name)


def _build_timezone(_: Budget, offset_us: object, name: object = None) -> timezone:
    offset = timedelta(microseconds=_integer(offset_us))
    return timezone(offset) if name is None else timezone(offset, _exactly(str, name))


def _zone_parts(value: ZoneInfo) -> Reduction:
    if type(value.key) is not str or not _ZONE_KEY.fullmatch(value.key):
        raise NotStorable(value, "ZoneInfo without a key is not storable", "use ZoneInfo(key)")
    return _ZONE, value.key


def _build_zone(_: Budget, key: object) -> ZoneInfo:
    return _zone(_exactly(str, key))


@lru_cache(maxsize=1024)
def _zone(key: str) -> ZoneInfo:
    # zoneinfo looks `key` up as a file name, in the tzdata package too: letters only.
    if not _ZONE_KEY.fullmatch(key):
        raise ValueError("a time zone's key is not well-formed")
    return ZoneInfo(key)


# --- numbers, identifiers, patterns, arrays


def _decimal_parts(value: Decimal) -> Reduction:
    return _DECIMAL, _DECIMAL_CONTEXT.to_sci_string(value)


def _build_decimal(budget: Budget, text: object) -> Decimal:
    budget.copy(len(_exactly(str, text)))
    value = Decimal(_exactly(str, text), _DECIMAL_CONTEXT)
    if _DECIMAL_CONTEXT.to_sci_string(value) != text:
        raise ValueError("a Decimal is not in the form that is stored")
    return value


def _uuid_parts(value: UUID) -> Reduction:
    return _UUID, value.bytes


def _build_uuid(_: Budget, data: object) -> UUID:
    return UUID(bytes=_exactly(bytes, data))


def _pattern_parts(value: re.Pattern[Any]) -> Reduction:
    if pattern_work(value.pattern) > PATTERN_WORK_MAX:
        raise NotStorable(value, "re.Pattern is too costly", "store its text instead")
    return _PATTERN, value.pattern, value.flags & _PATTERN_FLAGS


def _build_pattern(budget: Budget, pattern: object, flags: object) -> re.Pattern[Any]:
    if type(pattern) is not str and type(pattern) is not bytes:
        raise TypeError("a pattern is a str or bytes")
    if _integer(flags) & ~_PATTERN_FLAGS:
        raise ValueError("a pattern has unknown flags")
    budget.compile(pattern)
    return re.compile(pattern, _integer(flags))


def _build_array(
    budget: Budget, dtype: object, shape: object, order: object, data: object
) -> object:
    budget.copy(len(_exactly(bytes, data)))
    return make_array(dtype, shape, order, data)


def _build_empty_exception(_: Budget, name: object) -> BaseException:
    return make_empty(name)


def _build_whole_exception(budget: Budget, name: object, args: object) -> BaseException:
    if type(args) is tuple:
        budget.copy(sum(8 * len(part) for part in args if type(part) in (list, tuple)))
    return make_whole(name, args)


# --- checks of parts


def _integer(part: object) -> int:
    return _exactly(int, part)


def _time_zone(part: object) -> tzinfo | None:
    if part is None or type(part) is timezone or type(part) is ZoneInfo:
        return part
    raise TypeError(f"a time zone cannot be {type(part).__name__}")


def _exactly(kind: type[_Part], part: object) -> _Part:
    if type(part) is not kind:
        raise TypeError(f"a part is {type(part).__name__} where {kind.__name__} belongs")
    return part


_PARTS: Final[dict[type, Callable[[Any], Reduction]]] = {
    date: _date_parts,
    time: _time_parts,
    datetime: _datetime_parts,
    timedelta: _timedelta_parts,
    timezone: _timezone_parts,
    ZoneInfo: _zone_parts,
    Decimal: _decimal_parts,
    UUID: _uuid_parts,
    re.Pattern: _pattern_parts,
}
_BUILDERS: Final[dict[int, Callable[..., object]]] = {
    _DATE: _build_date,
    _TIME: _build_time,
    _DATETIME: _build_datetime,
    _TIMEDELTA: _build_timedelta,
    _TIMEZONE: _build_timezone,
    _ZONE: _build_zone,
    _DECIMAL: _build_decimal,
    _UUID: _build_uuid,
    _PATTERN: _build_pattern,
    _EXCEPTION: _build_empty_exception,
    _WHOLE_EXCEPTION: _build_whole_exception,
    _ARRAY: _build_array,
}
