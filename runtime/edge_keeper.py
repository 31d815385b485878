"""The edge of one node as the controller sees it: started for versions that have edge hooks."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from .deployment import Deployment
from .kept_actor import answer_of, kept_actor, mend
from .ray_edge import RayEdge, RayEdgeSettings
from .ray_names import edge_name
from .settings import NodeSettings

log = logging.getLogger(__name__)

START_TIMEOUT_S = 45.0  # for the first edge of a new version
LOOK_TIMEOUT_S = 3.0
SILENT_S_MAX = 60.0  # for an edge that answers nothing: a hook blocks its event loop
STOP_TIMEOUT_S = 3.0


class EdgeFailed(Exception):
    """An edge that cannot start, or a cron that could not be run; says why."""


class EdgeKeeper:
    """Keeps the edge of the version in use running on a node. Earlier ones end by themselves."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._version = 0  # that is kept running
        self._answered_s = 0.0

    def __repr__(self) -> str:
        return f"<EdgeKeeper of version {self._version} at {self._settings.host}>"

    def begin(self, new: Deployment) -> None:
        """Start the edge of a version, if it has one, without waiting for it."""
        if has_edge(new):
            self._actor(new)

    async def start(self, new: Deployment) -> None:
        """Start the edge of a version, if it has one.

        Raises:
            EdgeFailed: If it cannot, or not in `START_TIMEOUT_S`; it is not tried again.
        """
        if not has_edge(new):
            return
        actor = self._actor(new)
        try:
            await answer_of(actor.look.remote(), START_TIMEOUT_S)
            return
        except RayTaskError as error:
            problem = f"{type(error.cause).__name__}: {error.cause}"
        except RayError as error:
            problem = f"its process ended ({type(error).__name__})"
        except TimeoutError:
            problem = f"it took longer than {START_TIMEOUT_S:.0f} s"
        ray.kill(actor, no_restart=True)
        raise EdgeFailed(f"the edge hooks cannot be used: {problem}")

    async def look(self, deployed: Deployment | None) -> None:
        """See that it runs, and start it if need be."""
        if deployed is None or not has_edge(deployed):
            self._version = 0
            return
        if deployed.version != self._version:
            self._version, self._answered_s = deployed.version, time.monotonic()
        actor = self._actor(deployed)
        try:
            await answer_of(actor.look.remote(), LOOK_TIMEOUT_S)
            self._answered_s = time.monotonic()
        except RayError as error:
            await mend(actor, repr(self), error)
        except TimeoutError:
            if time.monotonic() - self._answered_s > SILENT_S_MAX:
                log.error("%r has not answered for %.0f s and is restarted", self, SILENT_S_MAX)
                self._answered_s = time.monotonic()
                await asyncio.to_thread(ray.kill, actor, no_restart=False)

    async def run_cron(self, deployed: Deployment, name: str, scheduled_ms: int) -> None:
        """Have a cron run here.

        Raises:
            EdgeFailed: If it raised, or there is no edge that could run it.
        """
        try:
            await self._actor(deployed).run_cron.remote(name, scheduled_ms)
        except RayTaskError as error:
            raise EdgeFailed(f"{type(error.cause).__name__}: {error.cause}") from error
        except RayError as error:
            raise EdgeFailed(f"its process ended ({type(error).__name__})") from error

    async def stop(self, deployed: Deployment | None) -> None:
        """Let the ASGI applications stop."""
        if deployed is not None and has_edge(deployed):
            try:
                await answer_of(self._actor(deployed).stop.remote(), STOP_TIMEOUT_S)
            except (RayError, TimeoutError) as error:
                log.info("%r does not stop: %s", self, type(error).__name__)

    def forget(self) -> None:
        """The node is gone, and its processes with it."""
        if self._version:
            try:
                name = edge_name(self._settings.node_id, self._version)
                ray.kill(ray.get_actor(name), no_restart=True)
            except ValueError:
                pass  # Ray knows it no more

    def _actor(self, deployed: Deployment) -> Any:
        node_id, gateway = self._settings.node_id, self._settings.gateway
        settings = RayEdgeSettings(gateway.edge_address(deployed.version), deployed.version)
        return kept_actor(
            RayEdge,
            settings,
            name=edge_name(node_id, deployed.version),
            node_id=node_id,
            runtime_env=deployed.runtime_env,
        )


def has_edge(deployed: Deployment) -> bool:
    """Whether a version has edge hooks; one that has none needs no such process."""
    return any(options.edge_hooks for options in deployed.code.parties.values())
