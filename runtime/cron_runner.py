"""Runs the project's crons when they are due, each tick in the edge of one node."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence

from ..actors.tasks import Tasks
from . import crons, deployment
from .deployment import Deployment
from .edge_keeper import EdgeFailed, EdgeKeeper

log = logging.getLogger(__name__)


class CronRunner:
    """The controller's; what was run is kept in Ray's key-value store, for the next controller."""

    def __init__(self) -> None:
        self._last_ms: dict[str, int] | None = None  # when each was run last, once it is read
        self._tasks = Tasks("the cron runner")

    def __repr__(self) -> str:
        return f"<CronRunner {len(self._tasks)} under way>"

    def look(self, deployed: Deployment, edges: Sequence[EdgeKeeper]) -> None:
        """Begin those that are due, each on one of these nodes."""
        if not edges:
            return
        if self._last_ms is None:
            self._last_ms = deployment.cron_times()
        now_ms = round(time.time() * 1000)
        ticks = crons.due(deployed.crons, self._last_ms, now_ms)
        looked = crons.looked(deployed.crons, self._last_ms, ticks, now_ms)
        if looked != self._last_ms:
            # Before they run: one that ends its process, or ours, is not run for ever.
            deployment.save_cron_times(looked)
            self._last_ms = looked
        for tick in ticks:
            self._tasks.spawn(_run(random.choice(edges), deployed, tick))


async def _run(edge: EdgeKeeper, deployed: Deployment, tick: crons.Tick) -> None:
    try:
        await edge.run_cron(deployed, tick.name, tick.scheduled_ms)
    except EdgeFailed as error:
        log.error("cron %s failed in %r: %s", tick.name, edge, error)
