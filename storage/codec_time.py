"""Dates, times and time zones as storable values: counts of days or microseconds, and names.

An aware time holds its zone as an object of its own, so that many times share one.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from .codec_budget import exactly
from .codec_refusal import NotStorable

_MICROSECOND: Final = timedelta(microseconds=1)
_ZONE_KEY: Final = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,4}")

Parts = tuple[object, ...]


def date_parts(value: date) -> Parts:
    """Days since the first day of the year 1."""
    return (value.toordinal(),)


def make_date(ordinal: object) -> date:
    """Undo `date_parts`."""
    return date.fromordinal(exactly(int, ordinal))


def time_parts(value: time) -> Parts:
    """Microseconds since midnight, doubled, plus the fold; the zone if there is one."""
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    count = (seconds * 1_000_000 + value.microsecond) * 2 + value.fold
    return (count,) if value.tzinfo is None else (count, value.tzinfo)


def make_time(count: object, zone: object = None) -> time:
    """Undo `time_parts`."""
    microseconds, fold = divmod(exactly(int, count), 2)
    seconds, microsecond = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return time(hour, minute, second, microsecond, _checked(zone), fold=fold)


def datetime_parts(value: datetime) -> Parts:
    """Microseconds of the wall clock since the year 1, doubled, plus the fold; the zone."""
    zone = value.tzinfo
    naive = value if zone is None else value.replace(tzinfo=None)
    count = (naive - datetime.min) // _MICROSECOND * 2 + value.fold
    return (count,) if zone is None else (count, zone)


def make_datetime(count: object, zone: object = None) -> datetime:
    """Undo `datetime_parts`."""
    microseconds, fold = divmod(exactly(int, count), 2)
    naive = datetime.min + timedelta(microseconds=microseconds)
    if zone is None and not fold:
        return naive
    return naive.replace(tzinfo=_checked(zone), fold=fold)


def timedelta_parts(value: timedelta) -> Parts:
    """Microseconds."""
    return (value // _MICROSECOND,)


def make_timedelta(microseconds: object) -> timedelta:
    """Undo `timedelta_parts`."""
    return timedelta(microseconds=exactly(int, microseconds))


def timezone_parts(value: timezone) -> Parts:
    """Offset in microseconds, and the name unless it is the usual one."""
    offset = value.utcoffset(None)
    name = value.tzname(None)
    count = offset // _MICROSECOND
    return (count,) if name == timezone(offset).tzname(None) else (count, name)


def make_timezone(offset_us: object, name: object = None) -> timezone:
    """Undo `timezone_parts`; the offset zero without a name is `timezone.utc` itself."""
    offset = timedelta(microseconds=exactly(int, offset_us))
    return timezone(offset) if name is None else timezone(offset, exactly(str, name))


def zone_parts(value: ZoneInfo) -> Parts:
    """The key, as in `Europe/Berlin`; the rules come from the machine that decodes it."""
    if type(value.key) is not str or not _ZONE_KEY.fullmatch(value.key):
        raise NotStorable(value, "ZoneInfo without a key is not storable", "use ZoneInfo(key)")
    return (value.key,)


def make_zone(key: object) -> ZoneInfo:
    """Undo `zone_parts`."""
    return _zone(exactly(str, key))


@lru_cache(maxsize=1024)
def _zone(key: str) -> ZoneInfo:
    # zoneinfo looks `key` up as the name of a file, also in the tzdata package: letters only.
    if not _ZONE_KEY.fullmatch(key):
        raise ValueError("the key of a time zone is not well-formed")
    return ZoneInfo(key)


def _checked(zone: object) -> tzinfo | None:
    if zone is None or type(zone) is timezone or type(zone) is ZoneInfo:
        return zone
    raise TypeError(f"a time zone cannot be {type(zone).__name__}")
