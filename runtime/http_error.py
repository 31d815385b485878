"""What a client is told over HTTP in place of what it asked for."""

from __future__ import annotations


class HttpError(Exception):
    """A status, and a text for the client: the base of all that end a request so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
