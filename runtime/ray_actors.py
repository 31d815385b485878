"""The Ray actors of a node: hibernation manager and gateway, each a thin shell.

Ray starts, places and ends the processes; what they do is in `manager.py` and `gateway.py`. No
message of a client ever travels as a Ray call.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..actors.messages import RoomKey
from ..actors.network import Network, tls_of_ray
from ..actors.ray_actor import LOG_FORMAT, RayRoomActor
from ..actors.resources import ActorResources
from ..actors.room_actor_settings import RoomActorSettings
from ..actors.watch import SeenBatch
from . import asset_pack, deployment, sockets_folder
from .admin import AdminServer
from .deployment import Deployment
from .followers import Wanted
from .gateway import Gateway
from .gateway_news import GatewayNews, gateway_news
from .manager import HibernationManager
from .placement import NodeLoad
from .ray_metrics import RayMetrics
from .settings import GatewaySettings, ManagerSettings
from .status import GatewayStatus, ManagerStatus

log = logging.getLogger(__name__)

TELL_RAY_S = 1.0
A_LITTLE = 0.001  # of a resource, to be placed where there is some
RESTARTS_WITHOUT_END = -1


def actor_class(shell: type, *, max_restarts: int = 0) -> Any:
    """A class as a Ray actor class that takes no CPU of its own.

    Made where it is needed and not by a decorator: Ray then pickles the class by reference.
    """
    return ray.remote(num_cpus=0, max_restarts=max_restarts)(shell)


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
                name=ray_name(settings.id),
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
            ray.kill(ray.get_actor(ray_name(actor_id)), no_restart=True)


async def manager_address_of(node_id: str) -> str:
    """Where the hibernation manager of a node is reached by other nodes.

    Raises:
        ValueError, RayError: If there is none.
    """
    manager = await asyncio.to_thread(ray.get_actor, actor_name("manager", node_id))
    address: str = await manager.address.remote()
    return address


def actor_name(process: str, node_id: str) -> str:
    """The name of the "manager" or "gateway" of a node among Ray's actors."""
    return f"parlour-{process}-{node_id}"


def ray_name(actor_id: str) -> str:
    """The name of a room actor among Ray's actors."""
    return f"parlour-room-{actor_id}"


def on_this_node(network: Network | None) -> Network | None:
    """With the files that this node has for TLS."""
    return None if network is None else replace(network, tls=tls_of_ray(os.environ))


class RayManager:
    """The hibernation manager of a node. After a restart it finds by itself what is deployed."""

    def __init__(self, settings: ManagerSettings) -> None:
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        settings = replace(settings, network=on_this_node(settings.network))
        self._manager = HibernationManager(
            settings, RayStarter(settings.node_id, settings.resource)
        )
        self._admin = _admin_server(settings, self._manager)
        self._admin_problem = ""
        self._started = asyncio.get_running_loop().create_task(self._start())

    async def _start(self) -> None:
        await self._manager.start(deployment.load())
        self._telling = asyncio.get_running_loop().create_task(self._tell_ray())
        if self._admin is not None:
            try:
                await self._admin.start()
            except OSError as error:
                # Rooms matter more than what is known of them; `parlour status` says it.
                self._admin_problem = f"port {self._admin.port} cannot be used: {error.strerror}"
                log.error("no metrics here: admin %s", self._admin_problem)

    async def _tell_ray(self) -> None:
        metrics = RayMetrics()
        try:
            while True:
                await asyncio.sleep(TELL_RAY_S)
                metrics.tell(self._manager.metrics.collect())
        except Exception:
            log.exception("Ray is not told the metrics any more; the admin port has them")

    async def look(self, peers: list[NodeLoad]) -> ManagerStatus:
        """Learn of the other nodes; returns how things are here, if it works."""
        await self._started
        admin = self._admin_problem
        if self._admin is not None and not admin:
            admin = f"http://{self._admin.host}:{self._admin.port}"
        return replace(self._manager.hear(peers), admin=admin)

    async def address(self) -> str:
        """Where other nodes reach it."""
        await self._started
        return self._manager.address

    async def try_out(self, new: Deployment) -> None:
        """See `HibernationManager.try_out`."""
        await self._started
        await self._manager.try_out(new)

    async def use(self, deployed: Deployment, within_s: float | None) -> None:
        """See `HibernationManager.use`."""
        await self._started
        self._manager.use(deployed, within_s=within_s)

    async def drain(self, within_s: float) -> None:
        """See `HibernationManager.drain`."""
        await self._started
        self._manager.drain(within_s)

    async def room_state(self, key: RoomKey) -> str:
        """See `RoomOrders.state`."""
        await self._started
        return self._manager.orders.state(key)

    async def order(self, what: str, key: RoomKey) -> None:
        """One of the orders of `RoomOrders`, by its name: hibernate, leave, reset."""
        await self._started
        orders = self._manager.orders
        carry_out = {"hibernate": orders.hibernate, "leave": orders.leave, "reset": orders.reset}
        await carry_out[what](key)

    async def follow(self, follower_id: str, wanted: Wanted) -> None:
        """See `Tail.follow`."""
        await self._started
        self._manager.tail.follow(follower_id, wanted)

    async def unfollow(self, follower_id: str) -> None:
        """See `Tail.unfollow`."""
        self._manager.tail.unfollow(follower_id)

    async def take_seen(self, follower_id: str) -> SeenBatch:
        """See `Tail.take`."""
        return await self._manager.tail.take(follower_id)

    async def redirect(self, key: RoomKey, manager_address: str, for_s: float) -> None:
        """See `HibernationManager.redirect`."""
        await self._started
        self._manager.redirect(key, manager_address, for_s)

    async def stop(self) -> None:
        """Let every room leave in good order and end every room actor."""
        if self._admin is not None:
            await self._admin.stop()
        await self._manager.stop()
        sockets_folder.remove(self._manager.settings.folder)


def _admin_server(settings: ManagerSettings, manager: HibernationManager) -> AdminServer | None:
    if settings.admin_port is None:
        return None
    token, text = deployment.admin_token(), manager.metrics.text
    return AdminServer(settings.admin_host, settings.admin_port, token, text)


class RayGateway:
    """The gateway of a node. After a restart it finds by itself which parties are deployed."""

    def __init__(self, settings: GatewaySettings) -> None:
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        settings = replace(settings, network=on_this_node(settings.network))
        self._folder = os.path.dirname(settings.manager_address)
        self._gateway = Gateway(settings, GatewayNews(), token=deployment.admin_token())
        self._started = asyncio.get_running_loop().create_task(self._start())
        gc.freeze()

    async def _start(self) -> None:
        news = gateway_news(deployment.load(), patient=False)
        self._gateway.use(await self._with_files(news))
        await self._gateway.start()

    async def look(self, news: GatewayNews) -> GatewayStatus:
        """Learn what is deployed; returns how things are here, if it works."""
        await self._started
        self._gateway.use(await self._with_files(news))
        return self._gateway.status()

    async def _with_files(self, news: GatewayNews) -> GatewayNews:
        """With the folder of the static files, which are unpacked here if need be."""
        name = news.assets.pack
        if not name:
            return news
        folder = Path(self._folder, f"assets-{name}")
        await asyncio.to_thread(_unpack, name, folder)
        return replace(news, assets=replace(news.assets, folder=str(folder)))

    async def wake(self, key: RoomKey, only_held: bool) -> None:
        """See `Gateway.wake`."""
        await self._started
        self._gateway.wake(key, only_held=only_held)

    async def drain(self, within_s: float) -> None:
        """See `Gateway.drain`."""
        await self._gateway.drain(within_s)

    async def stop(self) -> None:
        """Say goodbye to every client."""
        await self._gateway.stop()


def _unpack(name: str, folder: Path) -> None:
    if not folder.is_dir():
        data = deployment.load_pack(name)
        if data is not None:
            sockets_folder.make(str(folder.parent))
            asset_pack.unpack(data, folder)
