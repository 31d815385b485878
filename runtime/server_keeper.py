"""Keeps the private server running: starts it again where it ended without being asked to.

What it had acknowledged is on its disk, and the rooms wait for it: they pause, and go on when it
answers again. A server that does not stay up is given up after some attempts, with a sentence that
says where its log is.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from ..storage import EmbeddedServer, StorageError

LOOK_S = 0.1  # between two looks at its process
STARTS_MAX = 5  # within
STARTS_WITHIN_S = 60.0  # so many seconds
PAUSE_S = 1.0  # after a start that failed


class ServerKeeper:
    """Watches a server that runs, in a thread of its own, from `start` to `stop`."""

    def __init__(
        self,
        server: EmbeddedServer,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`say` is told what happens, a sentence at a time, in that thread."""
        self._server = server
        self._say = say
        self._clock = clock
        self._starts_s: deque[float] = deque(maxlen=STARTS_MAX)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="server keeper", daemon=True)

    def start(self) -> None:
        """Begin to watch; the server is this object's until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; a start that is under way is finished."""
        self._stopping.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopping.wait(LOOK_S):
            if self._server.pid is not None:
                continue
            if self._is_hopeless():
                self._say(
                    f"the private Valkey has ended {STARTS_MAX + 1} times within "
                    f"{STARTS_WITHIN_S:g} s and is not started again: see "
                    f"{self._server.folder / 'valkey.log'}, then start Parlour anew"
                )
                return
            self._start_again()

    def _is_hopeless(self) -> bool:
        starts_s = self._starts_s
        return len(starts_s) == STARTS_MAX and self._clock() - starts_s[0] < STARTS_WITHIN_S

    def _start_again(self) -> None:
        self._say("the private Valkey has ended and is started again; rooms wait for it")
        self._starts_s.append(self._clock())
        try:
            self._server.start()
        except (StorageError, OSError) as error:
            self._say(f"it did not start: {error}")
            self._stopping.wait(PAUSE_S)
        else:
            self._say("the private Valkey answers again; rooms go on")
