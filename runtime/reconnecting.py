"""When a client connects again, and when it does not: decided without I/O."""

from __future__ import annotations

from dataclasses import dataclass

from ..actors import close_codes

STABLE_S = 5.0  # a connection that lasted so long is no failure when it ends
_MAY_CHANGE = frozenset({408, 425, 429})  # refusals that another try may not meet
# Ends that come from the way to the room. Others are the room's word, or tell of a mistake of ours.
RECONNECT_CODES = frozenset(
    {
        close_codes.GOING_AWAY,
        close_codes.NO_STATUS,
        close_codes.ABNORMAL,
        close_codes.INTERNAL_ERROR,
        close_codes.SERVICE_RESTART,
        close_codes.TRY_AGAIN_LATER,
        close_codes.BAD_GATEWAY,
    }
)


class BufferFull(Exception):
    """A message that does not fit into what waits to be sent."""


class RoomRefused(Exception):
    """The server does not let this client in, and would not at another try.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return f"the server answered {self.status} {self.message}".rstrip()


@dataclass(frozen=True)
class Backoff:
    """Pauses before the next try: doubled from `first_s` up to `most_s`, half of each at random."""

    first_s: float = 0.25
    most_s: float = 10.0

    def pause_s(self, failures: int, chance: float) -> float:
        """The pause after so many failures in a row; `chance` is between 0 and 1."""
        doublings = min(max(failures - 1, 0), 30)
        return min(self.first_s * 2.0**doublings, self.most_s) * (0.5 + 0.5 * chance)


def is_final(status: int) -> bool:
    """Whether a server that answered so would answer the same again."""
    return 400 <= status < 500 and status not in _MAY_CHANGE
