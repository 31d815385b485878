"""Storable values for tests: a hypothesis strategy over the whole closed list, and comparison.

`==` will not do to compare what went in with what came out: NaN differs from itself, 1 equals
True, and neither types nor identities count. `difference` compares two values as object graphs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

PATTERNS = [
    re.compile("a+(b|c)?"),
    re.compile(r"^\w[^\W\d]*$", re.IGNORECASE | re.MULTILINE),
    re.compile(rb"\x00[a-\xff]{2,3}", re.DOTALL | re.VERBOSE),
    re.compile("(?a)ä[α-ω]"),
]
ATOMS: tuple[type, ...] = (type(None), bool, int, float, str, bytes, date, time, datetime)
ATOMS += (timedelta, timezone, ZoneInfo, Decimal, UUID, re.Pattern)
CONTAINERS = (list, tuple, dict, set, frozenset, bytearray)

_texts = st.text(st.characters(exclude_categories=()), max_size=20)
_offsets = st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59))
_zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.builds(timezone, _offsets),
    st.builds(timezone, _offsets, _texts),
    st.sampled_from(["Europe/Berlin", "America/Port-au-Prince", "Etc/GMT+5", "UTC"]).map(ZoneInfo),
)
_numbers = st.one_of(
    st.integers(),
    st.integers(-(2**3000), 2**3000),
    st.sampled_from(
        [
            sign * 2**bits + step
            for sign in (-1, 1)
            for bits in (7, 15, 31, 63, 2039)
            for step in (-1, 0, 1)
        ]
    ),
    st.floats(),
    st.decimals(),
    st.sampled_from(
        [Decimal("sNaN123"), Decimal("-NaN9"), Decimal("-0E-99"), Decimal("1E+999999")]
    ),
)
_times = st.one_of(
    st.dates(),
    st.times(timezones=_zones),
    st.datetimes(timezones=_zones),
    st.builds(lambda moment: moment.replace(fold=1), st.datetimes(timezones=_zones)),
    st.timedeltas(),
    _zones,
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    _numbers,
    _texts,
    st.binary(max_size=300),
    _times,
    st.uuids(),
    st.sampled_from(PATTERNS),
)
_hashables = st.recursive(
    leaves.filter(lambda leaf: not (isinstance(leaf, Decimal) and leaf.is_snan())),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
_whole_exceptions = st.sampled_from(
    [
        OSError(2, "No such file", "/etc/motd"),
        OSError("just a text"),
        UnicodeDecodeError("utf-8", b"\xff\x00", 0, 1, "invalid start byte"),
        UnicodeTranslateError("text", 1, 4, "reason"),
        SyntaxError("bad", ("room.py", 3, 7, "x = = 1", 3, 8)),
        ExceptionGroup("two", [ValueError(1), ExceptionGroup("inner", [KeyError("k")])]),
    ]
)
_empty_makers: list[Callable[[], Any]] = [list, dict, set, lambda: bytearray(b"\x00abc")]
_empty_makers += [ValueError, StopIteration, SystemExit, ImportError, KeyboardInterrupt]


@st.composite
def graphs(draw: st.DrawFn) -> object:
    """A value in which objects are shared and contain themselves.

    Some containers are made empty; then, in turn, tuples and frozensets of what is there already;
    then the empty ones are filled with anything. The last one made is the value.
    """
    nodes: list[Any] = [
        make() for make in draw(st.lists(st.sampled_from(_empty_makers), min_size=1, max_size=6))
    ]
    anything = st.one_of(st.deferred(lambda: st.sampled_from(nodes)), leaves, _whole_exceptions)
    hashable = st.one_of(
        _hashables, st.deferred(lambda: st.sampled_from([0, *filter(_is_hashable, nodes)]))
    )
    for parts in draw(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=4)):
        chosen = [nodes[part % len(nodes)] for part in parts]
        if draw(st.booleans()):
            nodes.append(tuple(chosen))
        else:
            nodes.append(frozenset(node for node in chosen if _is_hashable(node)))
    for node in nodes:
        if isinstance(node, list):
            node.extend(draw(st.lists(anything, max_size=4)))
        elif isinstance(node, dict):
            node.update(draw(st.lists(st.tuples(hashable, anything), max_size=4)))
        elif isinstance(node, set):
            node.update(draw(st.lists(hashable, max_size=4)))
        elif isinstance(node, BaseException):
            node.args = tuple(draw(st.lists(anything, max_size=3)))
    return nodes[-1] if draw(st.booleans()) else nodes


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def difference(left: Any, right: Any) -> str:
    """Where two values differ as object graphs; an empty string if nowhere.

    Containers are the same object at two places on the left if and only if they are on the right.
    Elements of sets are compared without regard to identity.
    """
    partners: dict[int, int] = {}
    taken: set[int] = set()
    todo = [("", left, right)]
    while todo:
        path, a, b = todo.pop()
        if type(a) is not type(b):
            return f"{path}: {type(a).__name__} became {type(b).__name__}"
        if isinstance(a, CONTAINERS) and (len(a) or isinstance(a, (list, dict, set, bytearray))):
            if id(a) in partners or id(b) in taken:
                if partners.get(id(a)) != id(b):
                    return f"{path}: identities differ"
                continue
            partners[id(a)] = id(b)
            taken.add(id(b))
        if isinstance(a, (set, frozenset)):
            if sorted(map(fingerprint, a)) != sorted(map(fingerprint, b)):
                return f"{path}: elements {a!r} became {b!r}"
            continue
        if isinstance(a, BaseException):
            if id(a) in partners:
                continue
            partners[id(a)] = id(b)
        pairs = _parts(a), _parts(b)
        if len(pairs[0]) != len(pairs[1]) or (not pairs[0] and fingerprint(a) != fingerprint(b)):
            return f"{path}: {a!r} became {b!r}"
        todo += [(f"{path}[{n}]", x, y) for n, (x, y) in enumerate(zip(*pairs, strict=True))]
    return ""


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, (list, tuple)):
        return [*value]
    if isinstance(value, BaseExceptionGroup):
        return [value.message, *value.exceptions]
    return [*value.args] if isinstance(value, BaseException) else []


def fingerprint(value: Any) -> str:
    """A text that two hashable values share only if one may stand for the other."""
    if isinstance(value, int):
        return f"{type(value)} {value:x}"  # decimal digits have a limit
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    if isinstance(value, (tuple, frozenset)):
        inner = map(fingerprint, value)
        return f"{type(value).__name__}({[*inner] if isinstance(value, tuple) else sorted(inner)})"
    if isinstance(value, (datetime, time)):
        return f"{value!r} {value.fold}"
    if isinstance(value, BaseException):
        return f"{type(value)} {value!s}" if not _parts(value) else f"{type(value)}"
    return f"{type(value)} {value!r}"


def stranger(value: Any) -> str:
    """The first type inside `value` that is not in the closed list; an empty string if none is."""
    seen: set[int] = set()
    todo = [value]
    while todo:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if type(part) in (set, frozenset):
            todo += part
        elif type(part) in (dict, list, tuple) or isinstance(part, BaseException):
            if isinstance(part, BaseException) and type(part).__module__ != "builtins":
                return type(part).__name__
            todo += _parts(part)
        elif type(part) not in (*ATOMS, bytearray) and type(part).__module__ != "numpy":
            return type(part).__name__
    return ""
