"""What a client gets for an HTTP request to a room under test."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from multidict import CIMultiDictProxy


class Answer(NamedTuple):
    """A whole response. Names of headers compare without regard to case."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, in UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Refused(Exception):
    """A WebSocket that was answered with something else than 101.

    Attributes:
        status: Of the answer.
        text: Its body.
    """

    def __init__(self, url: str, status: int, text: str) -> None:
        super().__init__(f"{url} was answered {status}: {text.strip()}")
        self.status = status
        self.text = text
