"""What can go wrong with a call of another room: one tree.

CallError
 +-- RemoteError       the method raised what cannot travel as itself
 +-- DeadlockError     the call would wait for its own caller
 +-- NoSuchParty       no such party is deployed
 +-- NoSuchMethod      the room's class has no public method of that name
 +-- CallTooLarge      arguments or a result over the limit
 +-- RoomUnavailable   the room cannot be woken, has too much to do, or has died of this, twice
 +-- CallTimeout       no answer in time; the call may have been handled, or will be
 +-- AnswerLost        the call was handled, or may have been, and its answer is gone

What the called method raises arrives as itself if it is exactly one of Python's own exceptions,
with arguments that are storable, and otherwise as a RemoteError, which keeps the name of its type
and its text. A traceback never travels.
"""

from __future__ import annotations

from ..storage import StorageError, decode, encode
from ..storage.codec_exceptions import EXCEPTION_CLASSES
from .messages import Returned

REMOTE_TEXT_CHARACTERS_MAX = 2000
_EXCEPTION = "exception"


class CallError(Exception):
    """A call of another room that has failed, other than by an exception of the called method."""


class RemoteError(CallError):
    """The called method raised something that cannot travel as itself.

    Attributes:
        type_name: The name of its class.
        text: What `str` gave of it, shortened.
    """

    def __init__(self, type_name: str, text: str) -> None:
        super().__init__(type_name, text)
        self.type_name = type_name
        self.text = text

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}" if self.text else self.type_name


class DeadlockError(CallError):
    """The called room waits, by way of others perhaps, for the caller: the text names the chain."""


class NoSuchParty(CallError, AttributeError, LookupError):
    """No such party is deployed."""


class NoSuchMethod(CallError):
    """The room's class has no public method of that name."""


class CallTooLarge(CallError, ValueError):
    """The arguments or the result of a call take more bytes than they may."""


class RoomUnavailable(CallError):
    """The room cannot be woken, has too much to do, or has died twice handling this.

    Nothing was handled to its end.
    """


class CallTimeout(CallError, TimeoutError):
    """No answer came in time. The call may have been handled, or will be."""


class AnswerLost(CallError):
    """The call was handled, or may have been, and its answer is gone."""


_CLASSES: dict[str, type[CallError]] = {
    each.__name__: each
    for each in (
        CallError,
        DeadlockError,
        NoSuchParty,
        NoSuchMethod,
        CallTooLarge,
        RoomUnavailable,
        CallTimeout,
        AnswerLost,
    )
}


def pack_error(error: BaseException) -> tuple[Returned, bytes]:
    """An exception as it travels."""
    if isinstance(error, RemoteError):
        return Returned(RemoteError.__name__, error.text, error.type_name), b""
    if isinstance(error, CallError):
        known = next(each.__name__ for each in type(error).__mro__ if each.__name__ in _CLASSES)
        return Returned(known, str(error)), b""
    name = type(error).__name__
    if EXCEPTION_CLASSES.get(name) is type(error):
        try:
            return Returned(_EXCEPTION), encode(error)
        except StorageError:
            pass  # something in its arguments is not storable
    return Returned(RemoteError.__name__, _text_of(error), name), b""


def unpack_error(returned: Returned, body: bytes) -> Exception:
    """What to raise where the call was made."""
    if returned.failure == _EXCEPTION:
        error = decode(body)
        # What would end the caller's process, or what no future can hold, arrives as a name.
        if isinstance(error, Exception) and not isinstance(error, StopIteration):
            return error
        return RemoteError(type(error).__name__, _text_of(error))
    if returned.failure == RemoteError.__name__:
        return RemoteError(returned.type_name, returned.text)
    return _CLASSES.get(returned.failure, CallError)(returned.text)


def _text_of(error: object) -> str:
    try:
        return str(error)[:REMOTE_TEXT_CHARACTERS_MAX]
    except Exception:
        return "its text cannot be made"
