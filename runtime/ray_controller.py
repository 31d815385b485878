"""The Ray actor around the controller, and how it is found by whoever operates the cluster."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import ray

from ..actors.messages import RoomKey
from .controller import Controller
from .ray_names import RESTARTS_WITHOUT_END, actor_class
from .release import Release
from .settings import ClusterSettings
from .status import ClusterStatus

NAMESPACE = CONTROLLER = "parlour"
# Ray's mark of its head, which outlives the other nodes; a little of it places an actor there.
ON_HEAD = {"node:__internal_head__": 0.001}


class RayController:
    """Ray restarts it when its process dies."""

    def __init__(self, settings: ClusterSettings) -> None:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
        self._controller = Controller(settings)
        self._task = asyncio.get_running_loop().create_task(self._controller.run())

    async def status(self) -> ClusterStatus:
        """See `Controller.status`."""
        return self._controller.status()

    async def deploy(self, release: Release, within_s: float | None) -> int:
        """See `Controller.deploy`."""
        return await self._controller.deploy(release, within_s)

    async def outdated_rooms(self) -> int:
        """See `Controller.outdated_rooms`."""
        return await self._controller.outdated_rooms()

    async def roll_back(self, version: int | None, within_s: float | None) -> int:
        """See `Controller.roll_back`."""
        return await self._controller.roll_back(version, within_s)

    async def drain(self, node: str, within_s: float) -> str:
        """See `Controller.drain`."""
        return await self._controller.drain(node, within_s)

    async def order_room(self, what: str, key: RoomKey) -> None:
        """See `LiveRooms.order`."""
        await self._controller.live_rooms.order(what, key)

    async def move_room(self, key: RoomKey, to: str | None) -> str:
        """See `Controller.move_room`."""
        return await self._controller.move_room(key, to)

    async def stop(self) -> None:
        """See `Controller.stop`."""
        self._task.cancel()
        await self._controller.stop()


def start_controller(settings: ClusterSettings) -> Any:
    """Start the cluster's controller, a detached actor on the head node.

    Raises:
        ValueError: If there is one already.
    """
    is_alone = settings.secret is None
    return (
        actor_class(RayController, max_restarts=RESTARTS_WITHOUT_END)
        .options(
            name=CONTROLLER,
            namespace=NAMESPACE,
            lifetime="detached",
            resources={} if is_alone else ON_HEAD,
        )
        .remote(settings)
    )


def find_controller() -> Any | None:
    """The cluster's controller; None where Parlour does not run."""
    try:
        return ray.get_actor(CONTROLLER, namespace=NAMESPACE)
    except ValueError:
        return None
