"""A message that its client sends in several frames (RFC 6455 section 5.4). Pure."""

from __future__ import annotations

FRAGMENTS_MAX = 16_384  # of one message: pieces of no bytes at all cost memory too


class TooLarge(Exception):
    """A message that is not taken; the text is for the client."""


class Fragments:
    """What has come of it so far."""

    __slots__ = ("_pieces", "_size_bytes", "kind")

    def __init__(self, kind: int) -> None:
        """`kind` is TEXT or BINARY."""
        self.kind = kind
        self._pieces: list[bytes] = []
        self._size_bytes = 0

    def __repr__(self) -> str:
        return f"<Fragments {len(self._pieces)}, {self._size_bytes} bytes>"

    def add(self, piece: bytes, bytes_max: int) -> None:
        """One more.

        Raises:
            TooLarge: If all of them are over `bytes_max` bytes, or more than `FRAGMENTS_MAX`.
        """
        self._size_bytes += len(piece)
        if self._size_bytes > bytes_max:
            raise TooLarge(f"a message has at most {bytes_max} bytes")
        if len(self._pieces) >= FRAGMENTS_MAX:
            raise TooLarge(f"a message has at most {FRAGMENTS_MAX} fragments")
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """The message."""
        return b"".join(self._pieces)
