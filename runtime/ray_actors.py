"""The Ray actors of a node: hibernation manager and gateway, each a thin shell.

Ray starts, places and ends the processes; what they do is in `manager.py` and `gateway.py`. No
message of a client ever travels as a Ray call.
"""

from __future__ import annotations

import gc
import logging
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..actors.ray_actor import LOG_FORMAT, RayRoomActor
from ..actors.room_actor import RoomActorSettings
from .code import Code
from .gateway import Gateway
from .manager import HibernationManager
from .settings import GatewaySettings, ManagerSettings


def actor_class(shell: type) -> Any:
    """A class as a Ray actor class that takes no CPU of its own and is not restarted by Ray.

    Made where it is needed and not by a decorator: Ray then pickles the class by reference.
    """
    return ray.remote(num_cpus=0, max_restarts=0)(shell)


class RayRunningActor:
    """A room actor's process, as Ray has it."""

    def __init__(self, handle: Any, run: Any) -> None:
        self._handle = handle
        self._run = run

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
    """Starts room actors as detached Ray actors on one node."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id

    async def start(self, settings: RoomActorSettings, code: bytes) -> RayRunningActor:
        """Start one; it reports to the manager when it is ready."""
        handle = (
            actor_class(RayRoomActor)
            .options(
                name=f"parlour-room-{settings.id}",
                lifetime="detached",
                scheduling_strategy=NodeAffinitySchedulingStrategy(self._node_id, soft=False),
            )
            .remote()
        )
        return RayRunningActor(handle, handle.run.remote(settings, code))


class RayManager:
    """The hibernation manager of a node."""

    def __init__(self) -> None:
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        self._manager: HibernationManager | None = None

    async def start(self, settings: ManagerSettings) -> None:
        """Listen for gateways and room actors."""
        self._manager = HibernationManager(settings, RayStarter(settings.node_id))
        await self._manager.start()

    async def deploy(self, code: Code) -> int:
        """Use these room classes from now on; returns their version."""
        assert self._manager is not None
        return await self._manager.deploy(code)

    async def ready(self) -> None:
        """Wait until a room actor with the deployed classes is there."""
        assert self._manager is not None
        await self._manager.ready()

    async def stop(self) -> None:
        """Let every room leave in good order and end every room actor."""
        if self._manager is not None:
            await self._manager.stop()


class RayGateway:
    """The gateway of a node."""

    def __init__(self) -> None:
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        self._gateway: Gateway | None = None

    async def start(self, settings: GatewaySettings, parties: list[str]) -> None:
        """Listen for clients."""
        self._gateway = Gateway(settings, parties)
        await self._gateway.start()
        gc.freeze()

    async def deploy(self, parties: list[str]) -> None:
        """These parties exist from now on."""
        assert self._gateway is not None
        self._gateway.parties = frozenset(parties)

    async def stop(self) -> None:
        """Say goodbye to every client."""
        if self._gateway is not None:
            await self._gateway.stop()
