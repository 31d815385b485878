"""Exceptions that travel from a called room to its caller."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors import call_errors
from parlour.actors.call_errors import CallError, RemoteError, pack_error, unpack_error
from parlour.actors.messages import Returned
from parlour.storage import encode


def travelled(error: BaseException) -> Exception:
    """What arrives."""
    return unpack_error(*pack_error(error))


class OutOfStock(LookupError):
    """An application's own."""


class Unspeakable(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "error",
    [ValueError("x", 3), KeyError("a"), ZeroDivisionError(), OSError(2, "gone"), TimeoutError("t")],
    ids=repr,
)
def test_exceptions_of_python_arrive_as_themselves(error: Exception) -> None:
    """With their arguments, without traceback, cause and context."""
    try:
        raise error from RuntimeError("cause")
    except Exception as raised:
        arrived = travelled(raised)
    assert type(arrived) is type(error)
    assert arrived.args == error.args
    assert arrived.__traceback__ is None
    assert arrived.__cause__ is None


@pytest.mark.parametrize(
    ("error", "type_name", "text"),
    [
        (OutOfStock("no tea"), "OutOfStock", "no tea"),
        (ValueError(print), "ValueError", "<built-in function print>"),
        (Unspeakable(), "Unspeakable", "its text cannot be made"),
        (OutOfStock("x" * 10_000), "OutOfStock", "x" * call_errors.REMOTE_TEXT_CHARACTERS_MAX),
        (RemoteError("Far", "away"), "Far", "away"),
    ],
    ids=["own", "unstorable", "no text", "long", "from farther away"],
)
def test_others_arrive_by_name(error: Exception, type_name: str, text: str) -> None:
    """An application's own, and those with arguments that cannot travel."""
    arrived = travelled(error)
    assert isinstance(arrived, RemoteError)
    assert (arrived.type_name, arrived.text) == (type_name, text)


@pytest.mark.parametrize("kind", call_errors._CLASSES.values())
def test_call_errors_arrive_as_themselves(kind: type[CallError]) -> None:
    """Also what an application has derived from one."""

    class Own(kind):  # type: ignore[misc, valid-type]
        pass

    for error in (kind("why"), Own("why")):
        arrived = travelled(error)
        assert type(arrived) is kind
        assert str(arrived) == "why"


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
def test_what_would_end_a_process_is_not_raised_in_another(error: BaseException) -> None:
    """Whoever has sent it."""
    for returned, body in (pack_error(error), (Returned("exception"), encode(error))):
        arrived = unpack_error(returned, body)
        assert isinstance(arrived, RemoteError)
        assert arrived.type_name == type(error).__name__


@pytest.mark.parametrize("value", ["no exception", None, StopIteration("x")])
def test_what_cannot_be_raised_arrives_by_name(value: Any) -> None:
    """A future can hold no StopIteration."""
    assert isinstance(unpack_error(Returned("exception"), encode(value)), RemoteError)


def test_an_error_of_a_newer_version_is_a_call_error() -> None:
    """Its text is kept."""
    arrived = unpack_error(Returned("NotKnownYet", "why"), b"")
    assert type(arrived) is CallError
    assert str(arrived) == "why"
