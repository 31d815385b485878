"""What a client has not read: how much of it there may be, and what is held back so that some of it
may still be dropped. Pure; `client_socket.py` does the sending.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import NamedTuple

MARK_BYTES = 64 * 1024  # from here on a client counts as behind; where asyncio's transports say so


class SendLimits(NamedTuple):
    """What a class of rooms allows its clients not to have read."""

    bytes_max: int = 4 * 1024 * 1024
    drop_oldest: bool = False  # past it; otherwise the client is closed


@lru_cache(maxsize=256)
def send_limits(bytes_max: int, drop_oldest: bool) -> SendLimits:
    """The limits, the same object for all sockets that have them."""
    return SendLimits(bytes_max, drop_oldest)


class HeldFrames:
    """Frames that are not given to the transport yet, in order."""

    __slots__ = ("_frames", "held_bytes")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self.held_bytes = 0

    def __repr__(self) -> str:
        return f"<HeldFrames {len(self._frames)}, {self.held_bytes} bytes>"

    def __bool__(self) -> bool:
        return bool(self._frames)

    def put(self, frame: bytes) -> None:
        """Hold one more."""
        self._frames.append(frame)
        self.held_bytes += len(frame)

    def take(self) -> bytes:
        """The oldest, held no more."""
        frame = self._frames.popleft()
        self.held_bytes -= len(frame)
        return frame

    def drop_oldest(self, bytes_max: int) -> int:
        """Drop the oldest until at most so many bytes are held, or the newest alone; how many."""
        dropped = 0
        while self.held_bytes > bytes_max and len(self._frames) > 1:
            self.take()
            dropped += 1
        return dropped
