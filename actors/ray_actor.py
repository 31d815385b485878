"""The Ray actor around a room actor. Ray starts it, places it and ends it; no message of a room
ever travels as a Ray call.

One that asks Ray for resources may be placed on another node than that of the manager that wanted
it; it belongs to the hibernation manager of the node that it is on.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os

import cloudpickle
import ray

from .network import tls_of_ray
from .room_actor import RoomActor
from .room_actor_settings import RoomActorSettings

LOG_FORMAT = "%(levelname)s %(message)s"
MANAGER_PATIENCE_S = 30.0  # for the manager of a node that has just joined to be there
LOOK_AGAIN_S = 0.1


class RayRoomActor:
    """A detached Ray actor, one per room by default."""

    def __init__(self) -> None:
        self._settled = asyncio.Event()  # it has started, or could not
        self._reports = False

    async def run(self, settings: RoomActorSettings, code: bytes) -> None:
        """Load the deployed classes and run rooms until the manager says that it is enough.

        Raises:
            Exception: Whatever loading the classes raised; StorageError and OSError as
                `RoomActor.start` does.
        """
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        try:
            actor = await _start(settings, code)
            self._reports = True
        finally:
            self._settled.set()
        # What is loaded by now lives as long as the process: the collector need not look at it.
        gc.freeze()
        await actor.ended.wait()
        # Detached, so nobody else may be left to end it: a manager that died had started it.
        ray.actor.exit_actor()  # type: ignore[no-untyped-call]

    async def node_id(self) -> str:
        """The node that Ray has placed it on."""
        return _node_id()

    async def reports(self) -> bool:
        """Wait until it reports to the manager of its node, or cannot; tells which."""
        await self._settled.wait()
        return self._reports


async def _start(settings: RoomActorSettings, code: bytes) -> RoomActor:
    if settings.resources and settings.network is not None:
        host = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        settings = settings.moved_to(_node_id(), host, tls_of_ray(os.environ))
        await _listens(settings.manager_address)
    # From whoever deployed, by way of Ray: the one place where code is loaded.
    actor = RoomActor(settings, cloudpickle.loads(code))
    await actor.start()
    return actor


def _node_id() -> str:
    node_id: str = ray.get_runtime_context().get_node_id()
    return node_id


async def _listens(manager_address: str) -> None:
    """Wait for the manager of this node, which the controller starts once it sees the node.

    Raises:
        TimeoutError: If it is not there in `MANAGER_PATIENCE_S`.
    """
    async with asyncio.timeout(MANAGER_PATIENCE_S):
        while not os.path.exists(manager_address):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(LOOK_AGAIN_S)
