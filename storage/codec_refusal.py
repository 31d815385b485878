"""What a value is refused for, and where it sits: looked for only after encoding has failed.

`NotStorable` is raised deep inside the encoder, which knows the object but not the way to it.
`refusal` walks the value until it meets that object and builds the `DataCloneError` that names
the path, the type and what to store instead. The walk keeps its own stack and remembers what it
has seen: cycles and deep nesting end it no later than the value's last object.

Paths read like Python: `messages[3].author`, `['first name']`, `.keys()[0]` for a dict's first
key, `{}` for some element of a set, `.args[0]` for what an exception carries. The value itself is
`value`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any, Final

from .codec_exceptions import exception_args
from .codec_numpy import numpy_advice
from .errors import DataCloneError

_PLAIN_DATA: Final = "store plain data, for example a dict, list, str or number"
_PLAIN_BASES: Final = (dict, list, tuple, frozenset, set, str, bytes, bytearray, int, float)
_KEY_SHOWN_LENGTH_MAX: Final = 80
_WALKED: Final = (dict, list, tuple, set, frozenset, datetime, time, BaseException)


class NotStorable(Exception):
    """The encoder met `value`, which cannot be stored."""

    def __init__(self, value: object, problem: str = "", advice: str = "") -> None:
        super().__init__(problem)
        self.value = value
        self.problem = problem or f"{_type_name(value)} is not storable"
        self.advice = advice or _advice(value)


def refusal(root: object, cause: NotStorable, key: str | None = None) -> DataCloneError:
    """Build the error that tells where in `root` the refused object is.

    With a `key`, `root` is what a mapping has under it, and the path begins there.
    """
    if key is None:
        path = _path("value", root, cause.value).removeprefix("value.")
    else:
        path = _path("", {key: root}, cause.value).removeprefix(".")
    return DataCloneError(path, cause.problem, cause.advice)


def name_of(key: str | None) -> str:
    """What a path to the whole of a value reads."""
    return "value" if key is None else _key_step(key).removeprefix(".")


def _path(name: str, root: object, refused: object) -> str:
    """Find the first way to `refused` from `root`, depth first, as the encoder goes."""
    seen: set[int] = set()
    steps: list[str] = []
    walks: list[Iterator[tuple[str, object]]] = [iter([(name, root)])]
    while walks:
        for step, value in walks[-1]:
            if value is refused:
                return "".join([*steps, step])
            if isinstance(value, _WALKED) and id(value) not in seen:
                seen.add(id(value))
                steps.append(step)
                walks.append(_parts(value))
                break
        else:
            walks.pop()
            del steps[-1:]
    return name


def _parts(value: Any) -> Iterator[tuple[str, object]]:
    """Yield what the encoder would visit inside `value`, each with its step of the path."""
    kind = type(value)
    if kind is dict:
        for position, (key, item) in enumerate(value.items()):
            yield f".keys()[{position}]", key
            yield _key_step(key), item
    elif kind is list or kind is tuple:
        for position, item in enumerate(value):
            yield f"[{position}]", item
    elif kind is set or kind is frozenset:
        for item in value:
            yield "{}", item
    elif isinstance(value, BaseException):
        for position, item in enumerate(exception_args(value)):
            yield f".args[{position}]", item
    elif kind is datetime or kind is time:
        yield ".tzinfo", value.tzinfo


def _key_step(key: object) -> str:
    if isinstance(key, str):
        if key.isidentifier() and len(key) <= _KEY_SHOWN_LENGTH_MAX:
            return f".{key}"
        cut = "..." if len(key) > _KEY_SHOWN_LENGTH_MAX else ""
        return f"[{key[:_KEY_SHOWN_LENGTH_MAX]!r}{cut}]"
    # Not every int: Python refuses to write very long ones in decimal.
    shown = isinstance(key, (int, float)) and -(2**64) < key < 2**64
    return f"[{key!r}]" if shown else f"[{_type_name(key)}]"


def _type_name(value: object) -> str:
    kind = type(value)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _advice(value: object) -> str:
    if isinstance(value, enum.Enum):
        return "store its .value"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return "store dataclasses.asdict() of it"
    advice = numpy_advice(value)
    if advice:
        return advice
    for base in _PLAIN_BASES:
        if isinstance(value, base):
            return f"store plain data, for example {base.__name__}() of it"
    return _PLAIN_DATA
