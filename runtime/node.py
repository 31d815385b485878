"""A whole Parlour on this machine: server, Ray, hibernation manager, gateway. Blocking calls.

Everything that is started here is stopped here, in reverse; what fails on the way up takes down
what was up already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray

from ..storage import EmbeddedServer, StorageError
from ..storage.opening import look_at_server
from .code import Code
from .controller import RESTARTS_WITHOUT_END, RayController
from .memory import total_bytes
from .ray_actors import actor_class
from .settings import GatewaySettings, ManagerSettings, NodeSettings

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 8.0
OBJECT_STORE_BYTES = 128 * 1024 * 1024  # rooms do not use it; Ray wants some
BYTES_PER_LIVE_ROOM = 80 * 1024 * 1024  # a room actor, and what a room usually adds
LIVE_ROOMS_MIN = 8
FREE_MEMORY_SHARE_MIN = 20  # one part in so many of the memory stays free
NAMESPACE = CONTROLLER = "parlour"

Progress = Callable[[str], contextlib.AbstractContextManager[None]]


class CannotStart(Exception):
    """Parlour cannot start; one sentence that says what to do."""


class LocalNode:
    """Parlour on one machine; use it as a context manager."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        data_folder: Path,
        redis_url: str | None,
        public_folder: Path | None,
        live_rooms_max: int | None,
        standbys: int,
        progress: Progress,
        say: Callable[[str], None],
    ) -> None:
        self._host = host
        self._port = port
        self._data_folder = data_folder
        self._redis_url = redis_url
        self._public_folder = public_folder
        self._live_rooms_max = live_rooms_max
        self._standbys = standbys
        self._progress = progress
        self._say = say
        self._stack = ExitStack()
        self._controller: Any = None
        self._sockets_folder = ""

    def start(self, code: Code) -> None:
        """Start everything and deploy `code`.

        Raises:
            CannotStart: If the port is taken, the rooms' server cannot be used or the classes
                cannot be loaded in a room actor.
        """
        check_port(self._host, self._port)
        try:
            redis_url = self._start_server()
            self._start_ray()
            self._start_actors(redis_url, code)
        except BaseException:
            self.stop()
            raise

    def deploy(self, code: Code) -> None:
        """Replace the room classes; live rooms move to the new ones, sockets stay.

        Raises:
            CannotStart: If they cannot be loaded in a room actor; those before stay.
        """
        try:
            ray.get(self._controller.deploy.remote(code), timeout=START_TIMEOUT_S)
        except ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None) or error
            raise CannotStart(f"the room classes cannot be used: {cause}") from error

    def stop(self) -> None:
        """Stop what is running; rooms leave in good order."""
        self._stack.close()

    def _start_server(self) -> str:
        if self._redis_url is not None:
            with self._progress("looking at the Redis server"):
                self._look_at(self._redis_url)
            return self._redis_url
        server = EmbeddedServer(self._data_folder / "storage")
        with self._progress("starting a private Valkey"):
            try:
                server.start()
            except StorageError as error:
                raise CannotStart(str(error)) from error
        self._stack.callback(server.stop)
        return server.url

    def _look_at(self, url: str) -> None:
        try:
            promises = asyncio.run(look_at_server(url))
        except StorageError as error:
            raise CannotStart(str(error)) from error
        self._say(promises.describe())

    def _start_ray(self) -> None:
        # Ray's default of 15 lets any other process of the machine starve the rooms.
        os.environ.update({"RAY_worker_niceness": "0"})
        with self._progress("starting Ray"):
            ray.init(
                address="local",
                namespace=NAMESPACE,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                logging_level=logging.ERROR,
                configure_logging=False,
            )
        self._stack.callback(ray.shutdown)

    def _start_actors(self, redis_url: str, code: Code) -> None:
        # Not below the data folder: the path of a Unix socket has at most 107 bytes.
        self._sockets_folder = tempfile.mkdtemp(prefix="parlour-")
        self._stack.callback(shutil.rmtree, self._sockets_folder, ignore_errors=True)
        manager = ManagerSettings(
            folder=self._sockets_folder,
            redis_url=redis_url,
            node_id=ray.get_runtime_context().get_node_id(),
            standbys=self._standbys,
            live_rooms_max=self._live_rooms_max or default_live_rooms_max(),
            free_memory_bytes_min=total_bytes() // FREE_MEMORY_SHARE_MIN,
        )
        gateway = GatewaySettings(
            host=self._host,
            port=self._port,
            manager_address=manager.address,
            redis_url=redis_url,
            public_folder=str(self._public_folder) if self._public_folder else None,
        )
        node = NodeSettings(manager.node_id, manager, gateway)
        with self._progress("starting the controller, the gateway and room actors"):
            self._controller = (
                actor_class(RayController, max_restarts=RESTARTS_WITHOUT_END)
                .options(name=CONTROLLER, lifetime="detached")
                .remote(node)
            )
            self._stack.callback(self._stop_actors)
            self.deploy(code)

    def _stop_actors(self) -> None:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(self._controller.stop.remote(), timeout=STOP_TIMEOUT_S)


def check_port(host: str, port: int) -> None:
    """Find out early whether the gateway will be able to listen.

    Raises:
        CannotStart: If somebody else listens there, or the host is not this machine's.
    """
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise CannotStart(
            f"port {port} on {host} cannot be used ({error.strerror or error}); "
            "stop what uses it, or choose another with --port"
        ) from error


def default_live_rooms_max() -> int:
    """As many rooms as half of the memory has room for, were each a room actor of its own."""
    return max(LIVE_ROOMS_MIN, total_bytes() // 2 // BYTES_PER_LIVE_ROOM)
