"""Keeps the private server running: starts it again where it ended without being asked to.

What it had acknowledged is on its disk, and the rooms wait for it: they pause, and go on when it
answers again. A server that does not stay up is started again and again, with pauses that grow up
to `PAUSE_S_MAX`; one that cannot be started at all is given up after `FAILURES_MAX` attempts in a
row, as waiting does not mend it. Each end and each start is one line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..storage import EmbeddedServer, StorageError
from ..storage.server_errors import FolderInUse

LOOK_S = 0.1  # between two looks at its process
PAUSE_S_MIN = 0.5  # before the second start in a row; doubles with each
PAUSE_S_MAX = 8.0  # less than commands wait for it: storage/visiting.py
STEADY_S = 60.0  # a server that was up for so long is started again at once
FAILURES_MAX = 5  # starts in a row that came to nothing


class ServerKeeper:
    """Watches a server that runs, in a thread of its own, from `start` to `stop`."""

    def __init__(
        self,
        server: EmbeddedServer,
        say: Callable[[str], None],
        give_up: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`say` is told what happens, and `give_up` at last why, each in one sentence.

        Both are called in the thread that watches.
        """
        self._server = server
        self._say = say
        self._give_up = give_up
        self._clock = clock
        self._up_since_s = clock()
        self._starts = 0  # in a row: the server was not up for `STEADY_S` since
        self._failures = 0  # starts in a row that came to nothing
        self._problem = ""  # the last one that was said
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
            if self._server.pid is None and not self._bring_back():
                return

    def _bring_back(self) -> bool:
        """Start it until it answers. False if it is given up, or nobody waits for it any more."""
        if self._clock() - self._up_since_s >= STEADY_S:
            self._starts = 0
        pause_s = self._pause_s()
        when = f"in {pause_s:g} s, see {self._log}" if pause_s else "now"
        self._say(f"the private Valkey has ended and is started again {when}; rooms wait for it")
        while not self._stopping.wait(pause_s):
            self._starts += 1
            problem = self._start()
            if problem is None:
                return True
            if self._failures == FAILURES_MAX:
                self._give_up(
                    f"the private Valkey did not start {FAILURES_MAX} times in a row ({problem}); "
                    f"see {self._log}, mend what it names and start Parlour again"
                )
                return False
            pause_s = self._pause_s()
        return False

    def _start(self) -> str | None:
        """Try once; tell why it does not start, which is said only where it is another reason."""
        try:
            self._server.start()
        except (StorageError, OSError) as error:
            problem = _first_line(error)
            if problem != self._problem:
                self._say(f"it did not start, and is tried again: {error}")
            self._problem = problem
            # A command such as `parlour rooms` that has the folder will be done with it.
            is_lent = isinstance(error, FolderInUse) and error.holder_pid is not None
            self._failures += not is_lent
            return problem
        self._failures, self._problem = 0, ""
        self._up_since_s = self._clock()
        self._say("the private Valkey answers again; rooms go on")
        return None

    def _pause_s(self) -> float:
        return min(PAUSE_S_MIN * 2.0 ** (self._starts - 1), PAUSE_S_MAX) if self._starts else 0.0

    @property
    def _log(self) -> str:
        return str(self._server.folder / "valkey.log")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].removesuffix("; its last words:")
