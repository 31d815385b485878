"""The controller: the one Ray actor of a cluster that keeps its nodes equipped and rolls out code.

It starts a hibernation manager and a gateway as detached Ray actors and leaves it to Ray to
restart them when their process dies; it starts them anew should Ray have given them up. No
message passes through it: while it is down, rooms go on, and only deploys wait.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from . import deployment
from .code import Code
from .deployment import Deployment
from .ray_actors import RayGateway, RayManager, actor_class
from .settings import NodeSettings

log = logging.getLogger(__name__)

LOOK_S = 1.0
RESTARTS_WITHOUT_END = -1


class Controller:
    """Equips nodes and deploys."""

    def __init__(self, node: NodeSettings) -> None:
        self._node = node
        self._deploying = asyncio.Lock()

    async def run(self) -> None:
        """Keep the node equipped."""
        while True:
            for name in ("manager", "gateway"):
                try:
                    await self._actor(name).look.remote()
                except ActorDiedError:
                    log.warning("the %s is gone for good: starting another", name)
                    await asyncio.to_thread(ray.kill, self._actor(name))
                except RayTaskError as error:
                    # It runs and could not start what it is for; Ray restarts what it sees die.
                    log.warning("the %s could not start, it tries again: %s", name, error.cause)
                    await asyncio.to_thread(ray.kill, self._actor(name), no_restart=False)
                except RayError as error:
                    log.info("the %s is being restarted: %s", name, type(error).__name__)
                except Exception:
                    log.exception("the controller could not look after the %s", name)
            await asyncio.sleep(LOOK_S)

    async def deploy(self, code: Code) -> int:
        """Roll out new room classes; returns their version.

        Raises:
            RayError: If they cannot be used; what was deployed before goes on.
        """
        async with self._deploying:
            new = Deployment(deployment.next_version(), code)
            await self._actor("manager").deploy.remote(new)
            deployment.save(new)
            await self._actor("gateway").deploy.remote(list(code.parties))
            return new.version

    async def stop(self) -> None:
        """Close every socket, let every room leave in good order."""
        for name in ("gateway", "manager"):
            try:
                await self._actor(name).stop.remote()
            except RayError as error:
                log.info("the %s had ended before: %s", name, type(error).__name__)

    def _actor(self, name: str) -> Any:
        shell, settings = {
            "manager": (RayManager, self._node.manager),
            "gateway": (RayGateway, self._node.gateway),
        }[name]
        return (
            actor_class(shell, max_restarts=RESTARTS_WITHOUT_END)
            .options(
                name=f"parlour-{name}-{self._node.node_id}",
                lifetime="detached",
                get_if_exists=True,
                scheduling_strategy=NodeAffinitySchedulingStrategy(self._node.node_id, soft=False),
            )
            .remote(settings)
        )


class RayController:
    """The Ray actor around it; Ray restarts it when its process dies."""

    def __init__(self, node: NodeSettings) -> None:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
        self._controller = Controller(node)
        self._task = asyncio.get_running_loop().create_task(self._controller.run())

    async def deploy(self, code: Code) -> int:
        """See `Controller.deploy`."""
        return await self._controller.deploy(code)

    async def stop(self) -> None:
        """See `Controller.stop`."""
        self._task.cancel()
        await self._controller.stop()
