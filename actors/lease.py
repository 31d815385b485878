"""The lease: a room actor's proof that it is alive, one key in Redis for the whole process.

A thread of its own renews it, so that a handler which blocks the event loop does not lose its
rooms. The deadline is counted from before the renewal was sent: when it has passed, others may
already have taken the rooms over, and nothing may leave this process. A lease that ran out is
not revived: the process takes another, under another name (`start_over`), and may speak again
(`speak`) once it has dropped what it held under the old name or claimed it anew under the new one.
So what is claimed under the old name, by a claim that is still on its way to the server included,
is free for everybody as soon as the old lease has run out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import redis
from redis.exceptions import RedisClusterException

from ..storage.keys import lease_key
from ..storage.opening import BlockingClient, open_blocking
from .repeats import Repeats

log = logging.getLogger(__name__)

LEASE_S = 3.0
RENEWAL_S = 1.0
RETRY_S = 0.1  # after a renewal that failed: a server that was busy may answer just in time
COMMAND_TIMEOUT_S = 1.0

# What a client of one server or of a cluster raises where it cannot be asked.
UNREACHABLE = (redis.RedisError, RedisClusterException, OSError)

# The server's clock goes on while a laptop sleeps, and so must this one: CLOCK_MONOTONIC does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def lease_clock() -> float:
    """Seconds on a clock that only grows, also while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """The lease of the process `process_id`. `on_lost` is called in the thread that renews it.

    Attributes:
        owner: The name under which the process claims rooms: its id, and after a loss another.
    """

    def __init__(
        self, url: str, process_id: str, address: str, on_lost: Callable[[], None]
    ) -> None:
        self.owner = process_id
        self._process_id = process_id
        self._losses = 0
        self._deadline_s = 0.0
        self._lost = False  # not renewed any more
        self._silent = False  # from the loss until `speak`
        self._address = address
        self._on_lost = on_lost
        self._url = url
        self._redis: BlockingClient
        self._repeats = Repeats()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __repr__(self) -> str:
        left_s = self._deadline_s - lease_clock()
        return f"<Lease {self.owner}, {'lost' if self._lost else f'{left_s:.1f} s left'}>"

    @property
    def valid(self) -> bool:
        """Whether what this process says still counts."""
        return not self._silent and lease_clock() < self._deadline_s

    def start(self) -> None:
        """Take the lease and keep it.

        Raises:
            redis.RedisError: If the server cannot be reached.
        """
        self._redis = open_blocking(self._url, timeout_s=COMMAND_TIMEOUT_S)
        self._renew()
        self._thread.start()

    def lose(self) -> None:
        """Count it as lost: something was held back because of it."""
        self._lost = self._silent = True

    def start_over(self) -> None:
        """Take a new lease, which is not valid before `speak`.

        Raises:
            Exception: One of `UNREACHABLE`; the lease stays lost.
        """
        self._lost = True
        self._losses += 1
        self.owner = f"{self._process_id}.{self._losses}"
        self._deadline_s = 0.0
        self._renew()
        self._lost = False

    def speak(self) -> bool:
        """Let the new lease be valid. False if it has run out as well by now."""
        if self._lost or lease_clock() >= self._deadline_s:
            return False
        self._silent = False
        return True

    def stop(self) -> None:
        """Give the lease back; the rooms must have left before."""
        self._stop.set()
        self._thread.join(2 * COMMAND_TIMEOUT_S)
        self._deadline_s = 0.0
        try:
            self._redis.delete(lease_key(self.owner))
        except UNREACHABLE as error:
            log.info("the lease was left to run out: %s", error)
        self._redis.close()

    def _keep(self) -> None:
        wait_s = RENEWAL_S
        while not self._stop.wait(wait_s):
            wait_s = RENEWAL_S
            if not self._lost and lease_clock() >= self._deadline_s:
                # Before asking again: a process that was stopped for longer than its lease
                # learns it here, and must not go on as if nothing had happened.
                self.lose()
                self._on_lost()
            if self._lost:
                continue
            try:
                self._renew()
            except UNREACHABLE as error:
                added = self._repeats.failed()
                if added is not None:
                    log.warning("the lease could not be renewed: %s%s", error, added)
                wait_s = RETRY_S
            else:
                self._repeats.succeeded()

    def _renew(self) -> None:
        owner, asked_s = self.owner, lease_clock()
        self._redis.set(lease_key(owner), self._address, px=round(LEASE_S * 1000))
        if owner != self.owner:
            return  # it was lost meanwhile, and there is another
        if not self._lost and self._deadline_s and lease_clock() >= self._deadline_s:
            # It ran out before the answer, and for all we know before the server had read the
            # question: others may have taken over in between. The next round says so.
            return
        self._deadline_s = asked_s + LEASE_S
