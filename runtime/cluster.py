"""Parlour on a running Ray cluster, as whoever operates it sees it. Blocking calls.

Ray's cluster is somebody else's: it is neither started nor stopped here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from ..storage import StorageError
from ..storage.opening import look_at_server
from . import deployment
from .ray_controller import NAMESPACE, find_controller, start_controller
from .release import Release
from .settings import ClusterSettings
from .status import ClusterStatus

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 15.0
DEPLOY_TIMEOUT_S = 120.0
POLL_S = 0.2

T = TypeVar("T")


class CannotStart(Exception):
    """Parlour cannot start; one sentence that says what to do."""


class CannotGoOn(CannotStart):
    """Parlour ran and cannot go on; one sentence that says what to do."""


class ClusterError(Exception):
    """What was asked of a cluster cannot be done; one sentence that says what to do."""


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be a driver of the cluster at `address`; without one, of that which is found on this machine.

    Raises:
        ClusterError: If there is none, or it does not let us in.
    """
    if ray.is_initialized():  # in a job, or a program that is a driver already
        yield
        return
    try:
        ray.init(
            address=address or "auto",
            namespace=NAMESPACE,
            logging_level=logging.ERROR,
            configure_logging=False,
            log_to_driver=False,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"at {address}" if address else "on this machine"
        raise ClusterError(
            f"no Ray cluster can be reached {where} ({_one_line(error)}); "
            "start one with `ray start --head` or `ray up`, or give its --address"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def look_at_redis(url: str) -> str:
    """What the rooms' server promises, in a sentence.

    Raises:
        CannotStart: If it cannot be reached, or must not be used.
    """
    try:
        return asyncio.run(look_at_server(url)).describe()
    except StorageError as error:
        raise CannotStart(str(error)) from error


def start(settings: ClusterSettings) -> ClusterStatus:
    """Start Parlour on the cluster, and wait until the nodes that are there are ready.

    Raises:
        ClusterError: If it runs there already.
        CannotStart: If the nodes are not ready in `START_TIMEOUT_S`; what was started goes on.
    """
    try:
        controller = start_controller(settings)
    except ValueError as error:
        raise ClusterError(
            "Parlour runs on this cluster already; "
            "`parlour status` shows it, `parlour stop` ends it"
        ) from error
    return wait_until_ready(controller, START_TIMEOUT_S)


def wait_until_ready(controller: Any, timeout_s: float) -> ClusterStatus:
    """Wait until every node that the controller knows is ready.

    Raises:
        CannotStart: If one is not in time.
    """
    give_up_s = time.monotonic() + timeout_s
    while True:
        try:
            status: ClusterStatus = ray.get(controller.status.remote(), timeout=timeout_s)
        except (GetTimeoutError, RayActorError) as error:
            raise CannotStart(f"the controller does not start: {_one_line(error)}") from error
        if status.nodes and all(node.ready or node.draining for node in status.nodes):
            return status
        if time.monotonic() > give_up_s:
            late = [node.host for node in status.nodes if not node.ready]
            raise CannotStart(
                f"after {timeout_s:.0f} s these nodes are not ready: {', '.join(late) or 'all'}; "
                "is the gateway's port free there, and Parlour installed? Ray's logs on the node "
                "say more (/tmp/ray/session_latest/logs)"
            )
        time.sleep(POLL_S)


def status() -> ClusterStatus:
    """How things are.

    Raises:
        ClusterError: If Parlour does not run there.
    """
    found: ClusterStatus = call_controller(
        lambda controller: controller.status.remote(), ANSWER_TIMEOUT_S
    )
    return found


def stop() -> None:
    """Stop Parlour: every socket is closed, every room leaves in good order.

    What is deployed is kept, and what the rooms have stored.

    Raises:
        ClusterError: If Parlour does not run there.
    """
    controller = _controller()
    with contextlib.suppress(RayActorError, GetTimeoutError):
        ray.get(controller.stop.remote(), timeout=STOP_TIMEOUT_S)
    for name in _own_actors():
        # It may end by itself meanwhile, and with the last of them Ray forgets their classes.
        with contextlib.suppress(ValueError, AssertionError):
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)


def deploy(release: Release, within_s: float | None) -> int:
    """Roll out new room classes; returns their version.

    Raises:
        ClusterError: If a room actor cannot use them, or Parlour does not run there.
    """
    version: int = call_controller(
        lambda controller: controller.deploy.remote(release, within_s), DEPLOY_TIMEOUT_S
    )
    return version


def roll_back(version: int | None, within_s: float | None) -> int:
    """Use an earlier version again; returns its number.

    Raises:
        ClusterError: If there is none, or Parlour does not run there.
    """
    used: int = call_controller(
        lambda controller: controller.roll_back.remote(version, within_s), DEPLOY_TIMEOUT_S
    )
    return used


def drain(node: str, within_s: float) -> str:
    """Have the rooms and clients of a node leave it; returns its id when they have.

    Raises:
        ClusterError: If there is no such node, they do not leave, or Parlour does not run there.
    """
    node_id: str = call_controller(
        lambda controller: controller.drain.remote(node, within_s), within_s + ANSWER_TIMEOUT_S
    )
    give_up_s = time.monotonic() + within_s + ANSWER_TIMEOUT_S
    while True:
        here = [each for each in status().nodes if each.node_id == node_id]
        rooms = sum(each.manager.live_rooms for each in here if each.manager is not None)
        if not rooms:
            return node_id
        if time.monotonic() > give_up_s:
            raise ClusterError(f"{rooms} rooms have not left {node} yet; no new one wakes there")
        time.sleep(POLL_S)


def secret() -> bytes:
    """What the processes of this cluster prove themselves with."""
    return deployment.cluster_secret()


def token() -> str:
    """What the admin ports of this cluster want to be shown."""
    return deployment.admin_token()


def _controller() -> Any:
    controller = find_controller()
    if controller is None:
        raise ClusterError("Parlour does not run on this cluster; start it with `parlour start`")
    return controller


def call_controller(ask: Callable[[Any], Any], timeout_s: float) -> Any:
    """What the controller answers.

    Raises:
        ClusterError: If it raised, does not answer in time, or Parlour does not run there.
    """
    try:
        return ray.get(ask(_controller()), timeout=timeout_s)
    except RayTaskError as error:
        raise ClusterError(_one_line(getattr(error, "cause", None) or error)) from error
    except RayActorError as error:
        raise ClusterError("the controller is being restarted; try again in a moment") from error
    except GetTimeoutError as error:
        raise ClusterError(f"the controller did not answer in {timeout_s:.0f} s") from error


def _own_actors() -> list[str]:
    from ray.util import list_named_actors

    return [each["name"] for each in list_named_actors(all_namespaces=True) if _is_own(each)]


def _is_own(actor: dict[str, str]) -> bool:
    return actor["namespace"] == NAMESPACE and actor["name"].startswith("parlour")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
