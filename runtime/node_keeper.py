"""One node as the controller sees it: its hibernation manager, gateway and edge, as Ray actors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from .deployment import Deployment
from .edge_keeper import EdgeKeeper
from .gateway_news import gateway_news
from .kept_actor import answer_of, kept_actor, mend
from .placement import NodeLoad
from .ray_actors import RayGateway, RayManager
from .ray_names import actor_name
from .settings import NodeSettings
from .status import GatewayStatus, ManagerStatus, NodeStatus

log = logging.getLogger(__name__)

LOOK_TIMEOUT_S = 3.0  # for a process of a node to answer; the node may be cut off
TRY_OUT_TIMEOUT_S = 45.0
STOP_TIMEOUT_S = 8.0  # for one of the two
DRAIN_SHARE_OF_CLIENTS = 0.5  # of the time that a node is given, its clients have the second half
DRAIN_DEFAULT_S = 30.0  # for a node that is taken away at no given time


@dataclass(frozen=True)
class News:
    """What the processes of a node should know.

    Attributes:
        loads: What the nodes say of themselves.
        patient: Events wait for rooms that cannot start, as their version may be given up.
        left_s: In which rooms are to move to what is deployed; None: as they hibernate.
    """

    deployed: Deployment | None
    loads: Sequence[NodeLoad]
    patient: bool
    left_s: float | None


class NodeKeeper:
    """Keeps the two processes of a node running."""

    def __init__(self, settings: NodeSettings) -> None:
        self.settings = settings
        self.manager: ManagerStatus | None = None  # as it last said; None: it does not answer
        self.gateway: GatewayStatus | None = None
        self.edge = EdgeKeeper(settings)
        self.draining = False
        self._told_to_drain = False

    def __repr__(self) -> str:
        return f"<NodeKeeper {self.settings.node_id} at {self.settings.host}>"

    @property
    def load(self) -> NodeLoad | None:
        """What the node last said of itself."""
        return self.manager.load if self.manager is not None else None

    @property
    def live_rooms(self) -> int:
        """Rooms that are live there."""
        return self.manager.live_rooms if self.manager is not None else 0

    def status(self) -> NodeStatus:
        """How things are there."""
        settings = self.settings
        return NodeStatus(
            settings.node_id, settings.host, self.draining, self.manager, self.gateway
        )

    async def look(self, news: Callable[[], News]) -> None:
        """Ask both how they are, start them if need be, and tell them what they should know."""
        peers = [load for load in news().loads if load.node_id != self.settings.node_id]
        was_told = self._told_to_drain
        self.manager = await self._ask("manager", lambda actor: actor.look.remote(peers))
        if self.manager is not None and self.manager.draining:
            self.draining = True  # as an earlier controller had wanted
        elif self.manager is not None and was_told:
            await self._ask("manager", lambda actor: actor.drain.remote(0.0))  # it was restarted
        if self.draining and self.gateway is not None:
            return  # it has stopped to listen, and one that is started would begin again
        await self.tell_gateway(news())
        await self.edge.look(news().deployed)
        latest = news()
        if latest.deployed is None or self.manager is None or self.draining:
            return
        if self.manager.version != latest.deployed.version:
            # It was not there when the version changed, or the deploy has not come to it yet.
            await self.use(latest.deployed, latest.left_s)

    async def tell_gateway(self, news: News) -> None:
        """Say what is deployed, and whether events wait for rooms that cannot start."""
        told = gateway_news(news.deployed, patient=news.patient)
        self.gateway = await self._ask("gateway", lambda actor: actor.look.remote(told))

    async def try_out(self, new: Deployment) -> None:
        """See `HibernationManager.try_out`.

        Raises:
            RayError: If they cannot be used, or the node does not answer.
        """
        await answer_of(self._actor("manager").try_out.remote(new), TRY_OUT_TIMEOUT_S)

    async def use(self, deployed: Deployment, within_s: float | None) -> None:
        """Have a version used; a node that does not answer learns of it when it does again."""
        await self._ask("manager", lambda actor: actor.use.remote(deployed, within_s))

    async def call(self, process: str, method: str, *arguments: Any, timeout_s: float) -> Any:
        """What the "manager" or "gateway" of the node answers to a call.

        Raises:
            RayError: If it is not there, or raised; then that is its `cause`.
            TimeoutError: If it does not answer in time.
        """
        question = getattr(self._actor(process), method).remote(*arguments)
        return await answer_of(question, timeout_s)

    async def drain(self, within_s: float) -> None:
        """Have the rooms move to other nodes first, then the clients, within the time."""
        self.draining = True
        started_s = time.monotonic()
        await self._ask(
            "manager", lambda actor: actor.drain.remote(within_s * (1 - DRAIN_SHARE_OF_CLIENTS))
        )
        self._told_to_drain = True
        left_s = max(0.0, within_s - (time.monotonic() - started_s))
        await asyncio.sleep(min(left_s, within_s * (1 - DRAIN_SHARE_OF_CLIENTS)))
        left_s = max(0.0, within_s - (time.monotonic() - started_s))
        await self._ask("gateway", lambda actor: actor.drain.remote(left_s))
        await asyncio.sleep(left_s)

    async def stop(self, deployed: Deployment | None) -> None:
        """Close every socket of the node, let every room leave in good order."""
        await self.edge.stop(deployed)
        for name in ("gateway", "manager"):
            try:
                await answer_of(self._actor(name).stop.remote(), STOP_TIMEOUT_S)
            except (RayError, TimeoutError) as error:
                log.info("the %s of %r does not stop: %s", name, self, type(error).__name__)

    def forget(self) -> None:
        """The node is gone: so are its processes, which Ray would wait for."""
        self.edge.forget()
        for name in ("gateway", "manager"):
            with contextlib.suppress(ValueError):
                ray.kill(ray.get_actor(self._name(name)), no_restart=True)

    async def _ask(self, name: str, question: Any) -> Any:
        """The answer of one of the two; None, and what can be done is done, if there is none."""
        try:
            return await answer_of(question(self._actor(name)), LOOK_TIMEOUT_S)
        except RayError as error:
            await mend(self._actor(name), f"the {name} of {self!r}", error)
        except TimeoutError:
            # It may be starting; one that answered before is worth a word.
            known = self.manager if name == "manager" else self.gateway
            level = logging.DEBUG if known is None else logging.WARNING
            log.log(level, "the %s of %r does not answer", name, self)
        except Exception:
            log.exception("the controller could not look after the %s of %r", name, self)
        return None

    def _name(self, name: str) -> str:
        return actor_name(name, self.settings.node_id)

    def _actor(self, name: str) -> Any:
        shell, settings = {
            "manager": (RayManager, self.settings.manager),
            "gateway": (RayGateway, self.settings.gateway),
        }[name]
        return kept_actor(shell, settings, name=self._name(name), node_id=self.settings.node_id)


def preempted_nodes() -> dict[str, float]:
    """The nodes that Ray was told will be taken away, and in how many seconds (at least 0)."""
    now_ms = time.time() * 1000
    nodes: dict[str, int] = ray._private.state.state.get_draining_nodes()
    return {
        node_id: max(0.0, deadline_ms - now_ms) / 1000 if deadline_ms else DRAIN_DEFAULT_S
        for node_id, deadline_ms in nodes.items()
    }
