"""The Ray actors of a node: hibernation manager and gateway, each a thin shell.

Ray starts, places and ends the processes; what they do is in `manager.py` and `gateway.py`. No
message of a client ever travels as a Ray call.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from dataclasses import replace
from pathlib import Path

from ..actors.messages import RoomKey
from ..actors.network import Network, tls_of_ray
from ..actors.ray_actor import LOG_FORMAT
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
from .ray_room_actors import RayStarter
from .settings import GatewaySettings, ManagerSettings
from .status import GatewayStatus, ManagerStatus

log = logging.getLogger(__name__)

TELL_RAY_S = 1.0


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
        left_s = deployment.rollout().left_s(time.time())
        await self._manager.start(deployment.load(), within_s=left_s)
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
        patient = deployment.rollout().is_patient(time.time())
        news = gateway_news(deployment.load(), patient=patient)
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
