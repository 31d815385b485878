"""Following a running cluster, as a driver of it: what all nodes show, as it comes. Blocking.

Each node's hibernation manager is asked again and again, over Ray, and waits a moment for something
to show: so nothing has to be reachable but Ray. Nodes that come are followed too; a manager that
was restarted is followed again.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from ..actors.watch import Seen
from .cluster import ANSWER_TIMEOUT_S, ClusterError, status
from .followers import TooManyFollowers, UnknownFollower, Wanted
from .ray_controller import NAMESPACE
from .ray_names import actor_name
from .status import NodeStatus

LOOK_FOR_NODES_S = 5.0
WAIT_S = 0.5  # for any node; so that new nodes, and Ctrl-C, are noticed
UNFOLLOW_TIMEOUT_S = 2.0


class Shown(NamedTuple):
    """Something that a node has shown; or that it has dropped so many."""

    host: str
    seen: Seen | None
    dropped: int = 0


class ClusterTail:
    """Follows every node, or one."""

    def __init__(self, wanted: Wanted, node: str | None) -> None:
        """`node` is the address of one, or the beginning of its id; None for all."""
        self._id = uuid.uuid4().hex
        self._wanted = wanted
        self._node = node
        self._followed: dict[str, NodeStatus] = {}
        self._questions: dict[Any, NodeStatus] = {}
        self._stopped = False

    def __repr__(self) -> str:
        return f"<ClusterTail of {len(self._followed)} nodes>"

    def begin(self) -> None:
        """Follow the nodes that are there; what happens from now on is shown.

        Raises:
            ClusterError: If there is no such node, too many follow one, or Parlour does not run.
        """
        self._look_for_nodes()
        if not self._followed:
            which = f"called {self._node!r} " if self._node else ""
            raise ClusterError(f"no node {which}answers; `parlour status` shows which there are")

    def shown(self) -> Iterator[Shown]:
        """What the nodes show, as it comes, until `stop`.

        Raises:
            ClusterError: If a node cannot show anything; says why.
        """
        look_at_s = time.monotonic() + LOOK_FOR_NODES_S
        while not self._stopped:
            if time.monotonic() >= look_at_s:
                with contextlib.suppress(ClusterError):  # the controller may be away for a moment
                    self._look_for_nodes()
                look_at_s = time.monotonic() + LOOK_FOR_NODES_S
            if not self._questions:
                time.sleep(WAIT_S)
                continue
            ready, _ = ray.wait(list(self._questions), num_returns=1, timeout=WAIT_S)
            for answer in ready:
                yield from self._answered(answer)

    def stop(self) -> None:
        """Have `shown` end within `WAIT_S`; from another thread."""
        self._stopped = True

    def end(self) -> None:
        """Have the nodes watch nothing for us any more; they find out by themselves, too, later."""
        told = []
        for node in self._followed.values():
            with contextlib.suppress(ValueError):
                told.append(_manager(node).unfollow.remote(self._id))
        ray.wait(told, num_returns=len(told), timeout=UNFOLLOW_TIMEOUT_S) if told else None

    def _answered(self, answer: Any) -> Iterator[Shown]:
        node = self._questions.pop(answer)
        try:
            batch = ray.get(answer)
        except RayTaskError as error:
            # It was restarted, or we came too late: follow anew with the next look for nodes.
            if not isinstance(error.cause, UnknownFollower):
                raise ClusterError(f"node {node.host} shows nothing: {error.cause}") from error
            del self._followed[node.node_id]
            return
        except RayError:
            del self._followed[node.node_id]
            return
        self._ask(node)
        if batch.dropped:
            yield Shown(node.host, None, batch.dropped)
        for seen in batch.seen:
            yield Shown(node.host, seen)

    def _look_for_nodes(self) -> None:
        for node in status().nodes:
            wanted = self._node is None or (
                node.host == self._node or node.node_id.startswith(self._node)
            )
            if wanted and node.manager is not None and node.node_id not in self._followed:
                self._follow(node)

    def _follow(self, node: NodeStatus) -> None:
        try:
            ray.get(_manager(node).follow.remote(self._id, self._wanted), timeout=ANSWER_TIMEOUT_S)
        except RayTaskError as error:
            if isinstance(error.cause, TooManyFollowers):
                raise ClusterError(f"node {node.host}: {error.cause}") from error
            raise
        except (RayActorError, GetTimeoutError, ValueError):
            return  # it is being restarted: with the next look
        self._followed[node.node_id] = node
        self._ask(node)

    def _ask(self, node: NodeStatus) -> None:
        try:
            self._questions[_manager(node).take_seen.remote(self._id)] = node
        except ValueError:  # it is gone
            del self._followed[node.node_id]


def _manager(node: NodeStatus) -> Any:
    return ray.get_actor(actor_name("manager", node.node_id), namespace=NAMESPACE)
