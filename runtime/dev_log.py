"""What `parlour dev --log-requests` prints: each request and each event, as it happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from .cluster import ClusterError
from .cluster_tail import ClusterTail
from .followers import Wanted
from .tail_text import line

log = logging.getLogger(__name__)

# A request to a room is shown as the gateway has answered it, not once more as the room has; and
# what is logged is in the terminal anyway.
SHOWN = frozenset({"connect", "message", "close", "alarm", "http"})
STOP_TIMEOUT_S = 3.0


class DevLog:
    """Follows this process's own Parlour in a thread."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._followed: ClusterTail | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<DevLog {'off' if self._thread is None else 'on'}>"

    def start(self) -> None:
        """Begin."""
        followed = self._followed = ClusterTail(Wanted(None, None, SHOWN, False), None)
        followed.begin()
        self._thread = threading.Thread(
            target=self._follow, args=(followed,), daemon=True, name="dev log"
        )
        self._thread.start()

    def stop(self) -> None:
        """End; what comes from then on is not shown."""
        if self._followed is not None:
            self._followed.stop()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)

    def _follow(self, followed: ClusterTail) -> None:
        try:
            for shown in followed.shown():
                self._say(line(shown))
        except ClusterError as error:
            log.error("requests are not shown any more: %s", error)
