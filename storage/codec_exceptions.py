"""Exceptions as storable values: a builtin class by its name, and its arguments.

An exception of any other class is stored as its nearest builtin base, as structured clone does:
`class OutOfStock(LookupError)` comes back as `LookupError`. Traceback, cause, context, notes and
attributes of its own are not kept.

Most classes hold nothing but `args`: they are made empty and filled afterwards, so an exception
may be part of a cycle through its own arguments. A few parse their arguments when they are made
(`OSError`, `SyntaxError`, the Unicode errors, exception groups): those are made whole, and a
cycle that goes through nothing but such ones is refused.
"""

from __future__ import annotations

import builtins
from typing import Any, Final

_ARGS_OF_WHOLE_MAX: Final = 5

EXCEPTION_CLASSES: Final[dict[str, type[BaseException]]] = {
    name: candidate
    for name, candidate in vars(builtins).items()
    if isinstance(candidate, type)
    and issubclass(candidate, BaseException)
    and candidate.__name__ == name
}
_UNICODE_ERRORS: Final = (UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError)
_MADE_WHOLE: Final = (OSError, SyntaxError, BaseExceptionGroup, *_UNICODE_ERRORS)


def exception_args(value: BaseException) -> tuple[Any, ...]:
    """The arguments that are stored for `value`."""
    return storable_exception(value)[1]


def storable_exception(value: BaseException) -> tuple[str, tuple[Any, ...], bool]:
    """Choose the builtin class that stands for `value`.

    Returns:
        Its name, the arguments, and whether it is made whole.
    """
    for base in type(value).__mro__:
        if EXCEPTION_CLASSES.get(base.__name__) is not base:
            continue
        # The builtin's own method: a subclass may have replaced both this and `args`.
        args: tuple[Any, ...] = base.__reduce__(value)[1]  # type: ignore[assignment]
        if isinstance(value, BaseExceptionGroup) and issubclass(base, BaseExceptionGroup):
            # Not the list in `args`: in a cycle the group would be made before that is filled.
            args = (value.message, value.exceptions)
        if not issubclass(base, _MADE_WHOLE):
            return base.__name__, args, False
        if _can_make_whole(base.__name__, args):
            return base.__name__, args, True
    raise AssertionError("every exception is a BaseException")


def make_empty(name: object) -> BaseException:
    """Make an exception of the builtin class `name`, to be filled later."""
    kind = EXCEPTION_CLASSES[name] if type(name) is str else None
    if kind is None or issubclass(kind, _MADE_WHOLE):
        raise ValueError(f"{name!r} is no exception class that is filled later")
    return kind.__new__(kind)


def fill(value: object, args: object) -> None:
    """Give the exception `value` its arguments; they are shared, not copied."""
    kind = type(value)
    if EXCEPTION_CLASSES.get(kind.__name__) is not kind or issubclass(kind, _MADE_WHOLE):
        raise TypeError(f"{kind.__name__} cannot be filled")
    if not isinstance(value, BaseException) or type(args) is not tuple:
        raise TypeError("an exception is filled with a tuple")
    value.args = args
    if isinstance(value, StopIteration):
        value.value = args[0] if args else None
    elif isinstance(value, SystemExit):
        code: Any = args[0] if len(args) == 1 else args or None
        value.code = code
    elif isinstance(value, ImportError) and len(args) == 1:
        value.msg = args[0]


def make_whole(name: object, args: object) -> BaseException:
    """Make an exception that parses its arguments, after checking them."""
    kind = EXCEPTION_CLASSES[name] if type(name) is str else None
    if kind is None or not issubclass(kind, _MADE_WHOLE):
        raise ValueError(f"{name!r} is no exception class that is made whole")
    if type(args) is not tuple or len(args) > _ARGS_OF_WHOLE_MAX:
        raise ValueError(f"arguments of {name} are a tuple of at most {_ARGS_OF_WHOLE_MAX}")
    if issubclass(kind, _UNICODE_ERRORS):
        _check_unicode_args(*args[-4:])
    if issubclass(kind, OSError):
        _check_file_names(args[2:])
    if issubclass(kind, SyntaxError) and args[1:] and type(args[1]) is not tuple:
        raise TypeError("details of a SyntaxError are a tuple")
    return kind(*args)


def _check_unicode_args(text: object, start: object, end: object, reason: object) -> None:
    """Refuse positions outside the text: some interpreters' `str()` would follow them."""
    if not isinstance(text, (bytes, str)) or type(start) is not int or type(end) is not int:
        raise TypeError("a Unicode error holds a text and two positions in it")
    if not 0 <= start <= end <= len(text) or type(reason) is not str:
        raise ValueError("positions of a Unicode error lie outside its text")


def _check_file_names(names: tuple[object, ...]) -> None:
    """Refuse other exceptions as file names.

    They are the one part that `args` does not hold: a long chain of exceptions through them
    would be freed recursively, deeper than the C stack.
    """
    if not all(isinstance(name, (str, bytes, int, type(None))) for name in names):
        raise TypeError("file names of an OSError are str, bytes, int or None")


def _can_make_whole(name: str, args: tuple[Any, ...]) -> bool:
    try:
        make_whole(name, args)
    except Exception:  # whatever the class objects to: its base is used instead
        return False
    return True
