"""Room actors as Ray actors: how a hibernation manager has them started, placed and ended."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..actors.ray_actor import RayRoomActor
from ..actors.resources import ActorResources
from ..actors.room_actor_settings import RoomActorSettings
from .deployment import Deployment
from .ray_names import actor_class, actor_name, room_actor_name

A_LITTLE = 0.001  # of a resource, to be placed where there is some


class RayRunningActor:
    """A room actor's process, as Ray has it."""

    def __init__(self, handle: Any, run: Any, node_id: str) -> None:
        """`node_id` is that of the manager that wants it."""
        self._handle = handle
        self._run = run
        self._node_id = node_id
        self._placed_on = ""

    async def placed(self) -> None:
        """Wait until it has a process, or none any more."""
        with contextlib.suppress(RayError):  # `ended` tells it
            self._placed_on = await self._handle.node_id.remote()

    async def joined(self) -> str:
        """See `RunningActor.joined`."""
        if self._placed_on in ("", self._node_id):
            return ""
        try:
            reports: bool = await self._handle.reports.remote()
        except RayError:
            return ""  # `ended` tells it
        return await manager_address_of(self._placed_on) if reports else ""

    async def ended(self) -> str:
        """Wait until it has ended; returns what went wrong, or nothing."""
        try:
            await self._run
        except RayActorError:
            return "its process ended"
        except Exception as error:
            # Ray's error holds the worker's traceback; the cause is what the deployer needs.
            cause = getattr(error, "cause", None) or error
            return f"{type(cause).__name__}: {cause}"
        return ""

    def kill(self) -> None:
        """End it at once."""
        ray.kill(self._handle, no_restart=True)


class RayStarter:
    """Starts room actors as detached Ray actors: on one node, or with resources where Ray finds
    them, which is on this node if it has them free.

    `resource` is one that every node with a manager has.
    """

    def __init__(self, node_id: str, resource: str | None) -> None:
        self._node_id = node_id
        self._resource = resource

    async def start(self, settings: RoomActorSettings, deployed: Deployment) -> RayRunningActor:
        """Start one; it reports to the manager when it is ready."""
        handle = (
            actor_class(RayRoomActor)
            .options(
                name=room_actor_name(settings.id),
                lifetime="detached",
                runtime_env=deployed.runtime_env or None,
                **self._place(settings.resources),
            )
            .remote()
        )
        run = handle.run.remote(settings, deployed.code.data)
        return RayRunningActor(handle, run, self._node_id)

    def _place(self, resources: ActorResources) -> dict[str, Any]:
        if not resources:
            strategy = NodeAffinitySchedulingStrategy(self._node_id, soft=False)
            return {"scheduling_strategy": strategy}
        options = resources.ray_options()
        if self._resource is not None:
            options["resources"].setdefault(self._resource, A_LITTLE)
        return options

    def kill(self, actor_id: str) -> None:
        """End one at once that another process has started."""
        with contextlib.suppress(ValueError):  # Ray knows it no more
            ray.kill(ray.get_actor(room_actor_name(actor_id)), no_restart=True)


async def manager_address_of(node_id: str) -> str:
    """Where the hibernation manager of a node is reached by other nodes.

    Raises:
        ValueError, RayError: If there is none.
    """
    manager = await asyncio.to_thread(ray.get_actor, actor_name("manager", node_id))
    address: str = await manager.address.remote()
    return address
