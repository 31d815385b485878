"""The Ray actor around an edge: one per node and version, there while the version is in use."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import cloudpickle
import ray

from ..actors.edge import Edge, EdgeSettings
from ..actors.ray_actor import LOG_FORMAT
from . import deployment, sockets_folder

log = logging.getLogger(__name__)

LOOK_S = 1.0
BLOCKED_S = 1.0  # that the event loop may be late before it is said
LINGER_S = 30.0  # without a gateway, once another version is in use


@dataclass(frozen=True)
class RayEdgeSettings:
    """What it is started with; the rest it finds by itself, after a restart too."""

    address: str
    version: int


class RayEdge:
    """Runs the edge of one version of the deployed classes."""

    def __init__(self, settings: RayEdgeSettings) -> None:
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        self._settings = settings
        self._started = asyncio.get_running_loop().create_task(self._start())

    async def _start(self) -> None:
        settings = self._settings
        deployed = deployment.load(settings.version)
        if deployed is None:
            raise LookupError(f"version {settings.version} is not kept any more")
        sockets_folder.make(os.path.dirname(settings.address))
        of_edge = EdgeSettings(settings.address, settings.version, deployed.env, deployed.crons)
        # From whoever deployed, by way of Ray, as in a room actor.
        self._edge = Edge(of_edge, cloudpickle.loads(deployed.code.data))
        await self._edge.start()
        gc.freeze()
        self._ending = asyncio.get_running_loop().create_task(self._end_when_unused())
        self._watching = asyncio.get_running_loop().create_task(say_when_blocked(BLOCKED_S))

    async def look(self) -> None:
        """Return if it works.

        Raises:
            Exception: What it could not start for.
        """
        await asyncio.shield(self._started)

    async def run_cron(self, name: str, scheduled_ms: int) -> None:
        """See `Edge.run_cron`."""
        await asyncio.shield(self._started)
        await self._edge.run_cron(name, datetime.fromtimestamp(scheduled_ms / 1000, UTC))

    async def stop(self) -> None:
        """Let the ASGI applications stop."""
        await asyncio.shield(self._started)
        await self._edge.stop()

    async def _end_when_unused(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._edge.linked or time.monotonic() - self._edge.unused_since_s < LINGER_S:
                continue
            if await asyncio.to_thread(deployment.current_version) != self._settings.version:
                await self._edge.stop()
                # Detached, so nobody else may be left to end it; and a hook that hangs in a thread
                # would keep a process that only wants to exit.
                ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


async def say_when_blocked(blocked_s: float) -> None:
    """Log it whenever something holds up the event loop for so long; without end."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + blocked_s / 4
        await asyncio.sleep(blocked_s / 4)
        if (late_s := loop.time() - due_s) > blocked_s:
            log.warning(
                "an `async def` edge hook or an application held up all others for %.1f s: "
                "have what blocks run as `def`, or in asyncio.to_thread",
                late_s,
            )
