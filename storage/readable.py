"""Stored values as JSON that people read, and values that people write as JSON. Pure.

What JSON has is JSON. All else is an object with one tag that begins with `$`, as in
{"$bytes": "aGk="}, {"$tuple": [1, 2]} or {"$uuid": "..."}; a dict that JSON has no object for is
{"$dict": [[key, value], ...]}. An object that occurs again, also inside itself, is
{"$same": "where it was first"}. Values nested too deep to be shown are {"$encoded": base64}.

`value_of` reads back what JSON has and the tags that say everything about a value in one word.
Not here: an exact copy. The encoded bytes are that, in portable.py.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from re import Pattern
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from .codec import decode
from .codec_exceptions import exception_args, storable_exception
from .codec_numpy import is_array
from .errors import DecodeError

LEVELS_SHOWN_MAX: Final = 100
INT_BITS_MAX: Final = 63  # of an int as a JSON number: more is no int in many other programs
ARRAY_VALUES_MAX: Final = 1000  # of a numpy array whose values are shown
_DECIMAL_BITS_MAX: Final = 10_000  # of an int that is shown in decimal digits

Tagged = dict[str, Any]


class NoValue(ValueError):
    """JSON that stands for no storable value; says what is allowed."""


def shown(data: bytes) -> Any:
    """The value that `data` encodes, as what `json.dumps` takes.

    Raises:
        DecodeError: If it encodes none.
    """
    value = decode(data)
    try:
        return _Shown().show(value, "")
    except _TooDeep:
        return {"$encoded": base64.b64encode(data).decode()}


def json_text(found: Any) -> str:
    """One line of JSON that a terminal shows as it is: what is not printable is escaped."""
    text = json.dumps(found, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(found)


class _TooDeep(Exception):
    """A value of more levels than are shown."""


class _Shown:
    """One value being shown: which of its objects were, and where."""

    def __init__(self) -> None:
        self._places: dict[int, str] = {}
        self._level = 0
        self._kept: list[Any] = []  # so that no id is given twice: some objects are made here

    def show(self, value: Any, place: str) -> Any:
        simple = _SIMPLE.get(type(value))
        if simple is not None:
            return simple(value)
        if not isinstance(value, (tuple, frozenset)) or value:
            if id(value) in self._places:
                return {"$same": self._places[id(value)]}
            self._places[id(value)] = place or "."
            self._kept.append(value)
        if is_array(value):
            return _array(value)
        self._level += 1
        if self._level > LEVELS_SHOWN_MAX:
            raise _TooDeep
        found = self._container(value, place)
        self._level -= 1
        return found

    def _container(self, value: Any, place: str) -> Any:
        if isinstance(value, bytearray):
            return {"$bytearray": base64.b64encode(value).decode()}
        if isinstance(value, dict):
            return self._dict(value, place)
        if isinstance(value, BaseException):
            return self._exception(value, place)
        parts = [self.show(part, f"{place}[{n}]") for n, part in enumerate(value)]
        if isinstance(value, list):
            return parts
        if isinstance(value, tuple):
            return {"$tuple": parts}
        return {f"${type(value).__name__}": sorted(parts, key=json.dumps)}

    def _dict(self, value: dict[Any, Any], place: str) -> Any:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: self.show(one, f"{place}.{key}") for key, one in value.items()}
        return {
            "$dict": [
                [self.show(key, f"{place}{{{n}}}"), self.show(one, f"{place}[{n}]")]
                for n, (key, one) in enumerate(value.items())
            ]
        }

    def _exception(self, value: BaseException, place: str) -> Tagged:
        name = storable_exception(value)[0]
        args = exception_args(value)
        return {
            "$exception": name,
            "args": [self.show(one, f"{place}[{n}]") for n, one in enumerate(args)],
        }


def _int(value: int) -> Any:
    if value.bit_length() <= INT_BITS_MAX:
        return value
    return {"$int": str(value) if value.bit_length() <= _DECIMAL_BITS_MAX else hex(value)}


def _float(value: float) -> Any:
    return value if math.isfinite(value) else {"$float": str(value)}


def _moment(value: datetime | time) -> Tagged:
    found: Tagged = {}
    zone = value.tzinfo
    if zone is not None and not _is_nameless(zone):
        found["zone"] = _timezone(zone) if isinstance(zone, timezone) else str(zone)
        value = value.replace(tzinfo=None)
    if value.fold:
        found["fold"] = 1
    return {f"${type(value).__name__}": value.isoformat(), **found}


def _is_nameless(zone: tzinfo) -> bool:
    """Whether an offset from UTC says everything about a zone."""
    return isinstance(zone, timezone) and str(zone) == str(timezone(zone.utcoffset(None)))


def _timezone(value: timezone) -> Tagged:
    found: Tagged = {"$timezone": _days(value.utcoffset(None))}
    return found if _is_nameless(value) else {**found, "name": str(value)}


def _days(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _pattern(value: Pattern[Any]) -> Tagged:
    text = _base64(value.pattern) if isinstance(value.pattern, bytes) else value.pattern
    return {"$pattern": text, "flags": value.flags}


def _array(value: Any) -> Tagged:
    found: Tagged = {"$array": None, "dtype": value.dtype.str, "shape": list(value.shape)}
    if value.size <= ARRAY_VALUES_MAX:
        plain = value if value.dtype.kind in "biufSU" else value.astype(str)
        found["$array"] = _Shown().show(plain.tolist(), "")
    return found


def _base64(value: bytes) -> Tagged:
    return {"$bytes": base64.b64encode(value).decode()}


_SIMPLE: Final[Mapping[type, Callable[[Any], Any]]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    str: lambda value: value,
    int: _int,
    float: _float,
    bytes: _base64,
    date: lambda value: {"$date": value.isoformat()},
    datetime: _moment,
    time: _moment,
    timedelta: lambda value: {"$timedelta": _days(value)},
    timezone: _timezone,
    ZoneInfo: lambda value: {"$zone": value.key},
    Decimal: lambda value: {"$decimal": str(value)},
    UUID: lambda value: {"$uuid": str(value)},
    Pattern: _pattern,
}


def value_of(text: str) -> Any:
    """The value that JSON stands for, tags included.

    Raises:
        NoValue: If it is no JSON, or has a tag that cannot be read back.
    """
    try:
        return _value(json.loads(text, parse_constant=_no_constant))
    except RecursionError:
        raise NoValue("it is nested too deep") from None
    except NoValue:
        raise
    except ValueError as problem:
        raise NoValue(f"it is no JSON ({problem}); write a text with quotes: '\"hi\"'") from None


def _no_constant(name: str) -> Any:
    raise NoValue(f'{name} is no JSON; write {{"$float": "{name.lower()}"}}')


def _value(found: Any) -> Any:
    if isinstance(found, list):
        return [_value(part) for part in found]
    if not isinstance(found, dict):
        return found
    tags = [key for key in found if key.startswith("$")]
    if not tags:
        return {key: _value(part) for key, part in found.items()}
    tag = tags[0]
    if len(found) > 1 or tag not in _READ:
        raise NoValue(
            f"{{{json.dumps(tag)}: ...}} cannot be read back; import an export instead, and write "
            f'a dict that has such a key as {{"$dict": [[key, value], ...]}}'
        )
    try:
        return _READ[tag](found[tag])
    except NoValue:
        raise
    except _MISREAD as problem:
        raise NoValue(f"{tag} cannot be read: {problem}") from None
    except DecodeError as problem:
        raise NoValue(f"{tag}: {problem.problem}") from None


# What the constructors below raise for what they do not take; ZoneInfo opens files.
_MISREAD = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, OSError)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _pairs(found: list[list[Any]]) -> dict[Any, Any]:
    return {_value(key): _value(one) for key, one in found}


def _parts(found: list[Any]) -> list[Any]:
    return [_value(part) for part in found]


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "$int": lambda text: int(text, 0),
    "$float": float,
    "$bytes": _bytes,
    "$bytearray": lambda text: bytearray(_bytes(text)),
    "$tuple": lambda parts: tuple(_parts(parts)),
    "$set": lambda parts: set(_parts(parts)),
    "$frozenset": lambda parts: frozenset(_parts(parts)),
    "$dict": _pairs,
    "$date": date.fromisoformat,
    "$datetime": datetime.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": lambda days: timedelta(days[0], days[1], days[2]),
    "$timezone": lambda days: timezone(timedelta(days[0], days[1], days[2])),
    "$zone": ZoneInfo,
    "$decimal": Decimal,
    "$uuid": UUID,
    "$encoded": lambda text: decode(_bytes(text)),
}
