"""The controller: the one Ray actor of a cluster that keeps its nodes equipped and rolls out code.

It keeps a hibernation manager and a gateway on every node as detached Ray actors and leaves it to
Ray to restart them when their process dies; it starts them anew should Ray have given them up. No
message passes through it: while it is down, rooms go on, and only deploys wait. What it has to
remember is in Ray's key-value store (`deployment.py`), the rest the nodes tell it again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import replace

import ray
from ray.exceptions import RayError

from ..actors.messages import RoomKey
from . import asset_pack, deployment, node_keeper
from .crew import DeployFailed
from .cron_runner import CronRunner
from .deployment import Deployment
from .edge_keeper import EdgeFailed
from .in_use import InUse
from .live_rooms import LiveRooms
from .node_keeper import News, NodeKeeper
from .release import Assets, Release
from .rollout import has_failed
from .settings import ClusterSettings, wanted_nodes
from .status import ClusterStatus, VersionStatus

log = logging.getLogger(__name__)

LOOK_S = 1.0
NODES_TIMEOUT_S = 5.0  # for Ray to list its nodes
FIND_NODE_TRIES = 4  # to have one answer, over all nodes


class UnknownNode(LookupError):
    """A node that the cluster does not have."""


class Controller:
    """Equips nodes and deploys."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self._nodes: dict[str, NodeKeeper] = {}
        self._in_use = InUse()
        self.live_rooms = LiveRooms(self._nodes, self._parties)
        self._draining: set[str] = set()
        self._deploying = asyncio.Lock()
        self._crons = CronRunner()
        self._stopped = False

    # Nodes

    async def run(self) -> None:
        """Keep the nodes equipped, as long as Parlour runs."""
        while not self._stopped:
            try:
                await self.look()
            except Exception:
                log.exception("the controller could not look after the nodes")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look at every node once, and at the version that is on probation."""
        async with asyncio.timeout(NODES_TIMEOUT_S):
            nodes = await asyncio.to_thread(ray.nodes)
            leaving = await asyncio.to_thread(node_keeper.preempted_nodes)
        wanted = wanted_nodes(self.settings, nodes)
        for node_id in self._nodes.keys() - wanted.keys():
            log.warning("node %s is gone", node_id)
            self._nodes.pop(node_id).forget()
            self._draining.discard(node_id)
        for node_id in wanted.keys() - self._nodes.keys():
            log.debug("node %s is there", node_id)
            self._nodes[node_id] = NodeKeeper(wanted[node_id])
        for node_id in leaving.keys() & self._nodes.keys() - self._draining:
            log.info("node %s will be taken away: its rooms move", node_id)
            self._draining.add(node_id)
            _spawn(self._nodes[node_id].drain(leaving[node_id]))
        await asyncio.gather(*(keeper.look(self._news) for keeper in self._nodes.values()))
        await self._judge()
        if self._in_use.deployed is not None:
            nodes = [node for id, node in self._nodes.items() if id not in self._draining]
            self._crons.look(self._in_use.deployed, [node.edge for node in nodes])

    def _news(self) -> News:
        """What a node should know, as it is at this moment: a deploy may be under way."""
        loads = [keeper.load for keeper in self._nodes.values() if keeper.load is not None]
        in_use = self._in_use
        return News(in_use.deployed, loads, in_use.is_patient, in_use.left_s)

    def _parties(self) -> list[str]:
        deployed = self._in_use.deployed
        return list(deployed.code.parties) if deployed is not None else []

    def status(self) -> ClusterStatus:
        """How things are."""
        versions = []
        for number in deployment.versions():
            kept = deployment.load(number)
            if kept is not None:
                versions.append(_describe(kept, self._in_use.version))
        nodes = [keeper.status() for keeper in self._nodes.values()]
        on_probation = self._in_use.is_on_probation
        return ClusterStatus(nodes, versions, on_probation, self.settings.redis_url)

    async def drain(self, name: str, within_s: float) -> str:
        """Have the rooms, then the clients of a node leave it in so many seconds; returns its id.

        Raises:
            UnknownNode: If no node has this id (or begins with it) or address.
        """
        keeper = self._find(name)
        self._draining.add(keeper.settings.node_id)
        await keeper.drain(within_s)
        return keeper.settings.node_id

    async def move_room(self, key: RoomKey, to: str | None) -> str:
        """Have a live room wake on another node, the one of that id or address; returns where.

        Raises:
            UnknownNode: If no node is called so.
            OrderRefused: See `LiveRooms.move`.
        """
        target = self._find(to) if to is not None else None
        _, there = await self.live_rooms.move(key, target)
        return there.settings.host

    def _find(self, name: str) -> NodeKeeper:
        found = [
            keeper
            for node_id, keeper in self._nodes.items()
            if node_id.startswith(name) or keeper.settings.host == name
        ]
        if len(found) != 1:
            known = [f"{id} ({keeper.settings.host})" for id, keeper in self._nodes.items()]
            what = "several nodes are" if found else "no node is"
            raise UnknownNode(f"{what} called {name!r}; the nodes are {', '.join(known)}")
        return found[0]

    # Versions

    async def deploy(self, release: Release, within_s: float | None) -> int:
        """Roll out new room classes; returns their version.

        Raises:
            DeployFailed: If a room actor or an edge cannot use them; what was deployed before
                goes on.
        """
        async with self._deploying:
            number = deployment.next_version()
            new = Deployment(
                number,
                release.code,
                release.name,
                time.time(),
                release.runtime_env,
                env=release.env,
                crons=release.crons,
                assets=_kept(release),
                limits=release.limits,
            )
            if not self._nodes:
                await self.look()
            await self._try_out(new)
            self._in_use.begin(new, within_s)
            await self._tell(new)
            return number

    async def outdated_rooms(self) -> int:
        """How many rooms have not moved to what is deployed, as the nodes say now."""
        await asyncio.gather(*(keeper.look(self._news) for keeper in self._nodes.values()))
        managers = [keeper.manager for keeper in self._nodes.values()]
        return sum(manager.outdated_rooms for manager in managers if manager is not None)

    async def _try_out(self, new: Deployment) -> None:
        """Have a room actor and an edge use a version, and keep it."""
        node = await self._some_node()
        try:
            await node.try_out(new)
        except RayError as error:
            raise DeployFailed(str(getattr(error, "cause", None) or error)) from error
        deployment.save(new)  # where the edges find it
        for other in self._nodes.values():
            other.edge.begin(new)
        try:
            await node.edge.start(new)
        except EdgeFailed as error:
            deployment.save(replace(new, halted=str(error)))
            raise DeployFailed(str(error)) from error

    async def roll_back(self, version: int | None, within_s: float | None) -> int:
        """Use an earlier version again, by default the newest before the current one.

        Raises:
            LookupError: If there is none, or it is not kept.
        """
        async with self._deploying:
            if version is None:
                older = [n for n in deployment.versions() if n < self._in_use.version]
                usable = [n for n in older if (kept := deployment.load(n)) and not kept.halted]
                version = usable[-1] if usable else None
            wanted = deployment.load(version) if version is not None else None
            if wanted is None:
                kept_versions = ", ".join(map(str, deployment.versions())) or "none"
                raise LookupError(f"there is no version to go back to; kept are {kept_versions}")
            self._in_use.go_back(wanted, within_s)
            await self._tell(wanted)
            return wanted.version

    async def _tell(self, deployed: Deployment) -> None:
        """Have every node use it. A look may come first, and tells them the same."""
        nodes = list(self._nodes.values())
        # The gateways first: a room that cannot start with it may be any gateway's.
        await asyncio.gather(*(node.tell_gateway(self._news()) for node in nodes))
        await asyncio.gather(*(node.use(deployed, self._in_use.left_s) for node in nodes))

    async def _judge(self) -> None:
        """Give a version up if rooms fail to start with it."""
        version = self._in_use.version
        if not self._in_use.is_on_probation or self._deploying.locked():
            return
        managers = [
            manager
            for keeper in self._nodes.values()
            if (manager := keeper.manager) is not None and manager.version == version
        ]
        started = sum(manager.started_rooms for manager in managers)
        failed = sum(manager.failed_rooms for manager in managers)
        if not has_failed(started, failed):
            return
        why = f"{failed} of {started + failed} rooms could not start with it"
        log.error("version %d is halted and rolled back: %s", version, why)
        self._in_use.halt(why)
        await self.roll_back(self._in_use.previous, 0.0)

    async def _some_node(self) -> NodeKeeper:
        """A node whose manager answers now: Ray takes long to notice that one is gone."""
        for _ in range(FIND_NODE_TRIES):
            for node_id, keeper in list(self._nodes.items()):
                if node_id not in self._draining:
                    await keeper.look(self._news)
                    if keeper.manager is not None and not keeper.manager.draining:
                        return keeper
        raise DeployFailed("no node answers on which they could be tried; see `parlour status`")

    async def stop(self) -> None:
        """Close every socket, let every room leave in good order."""
        self._stopped = True
        deployed = self._in_use.deployed
        await asyncio.gather(*(keeper.stop(deployed) for keeper in self._nodes.values()))


def _kept(release: Release) -> Assets:
    """Where gateways find the static files: a pack is kept for them, and goes by its name."""
    if not release.assets_pack:
        return release.assets
    name = asset_pack.name_of(release.assets_pack)
    deployment.save_pack(name, release.assets_pack)
    return Assets(single_page=release.assets.single_page, pack=name)


def _describe(kept: Deployment, current_version: int) -> VersionStatus:
    return VersionStatus(
        kept.version,
        kept.name,
        kept.deployed_at_s,
        tuple(sorted(kept.code.parties)),
        kept.version == current_version,
        kept.halted,
    )


_tasks: set[asyncio.Task[None]] = set()


def _spawn(coroutine: Coroutine[None, None, None]) -> None:
    task = asyncio.get_running_loop().create_task(coroutine)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
