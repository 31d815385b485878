"""What the storage calls return: things to await that never complain when they are not.

A call does its work when it is called. What it returns is awaited for the result or for
back-pressure, and can be dropped. When there is nothing to wait for, awaiting does not go
through the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Generic, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Ready(Awaitable[T_co], Generic[T_co]):
    """A result that is there already."""

    __slots__ = ("_value",)

    def __init__(self, value: T_co) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, T_co]:
        return self._value
        yield  # makes this a generator, which `await` wants

    def __repr__(self) -> str:
        return f"<Ready {self._value!r}>"


class BeforeSeal(Protocol):
    """A result that has a last thing to ask of the state before the next flush."""

    def before_seal(self) -> None: ...


DONE: Ready[None] = Ready(None)
