"""A whole Parlour on this machine: server, Ray, hibernation manager, gateway. Blocking calls.

Everything that is started here is stopped here, in reverse; what fails on the way up takes down
what was up already.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray

from ..storage import EmbeddedServer, StorageError
from .cluster import CannotStart, look_at_redis, wait_until_ready
from .ray_controller import NAMESPACE, start_controller
from .release import Release
from .rooms_server import STORAGE_FOLDER
from .server_keeper import ServerKeeper
from .settings import ClusterSettings

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 8.0
OBJECT_STORE_BYTES = 128 * 1024 * 1024  # rooms do not use it; Ray wants some
MOVE_WITHIN_S = 0.0  # rooms move to reloaded classes as fast as processes start
MOVE_PATIENCE_S = 15.0  # for all to have moved; those that are left go on moving
MOVE_POLL_S = 0.1

Progress = Callable[[str], contextlib.AbstractContextManager[None]]


class LocalNode:
    """Parlour on one machine; use it as a context manager."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        data_folder: Path,
        redis_url: str | None,
        live_rooms_max: int | None,
        standbys: int,
        admin_host: str,
        admin_port: int | None,
        note_requests: bool,
        progress: Progress,
        say: Callable[[str], None],
        give_up: Callable[[str], None],
    ) -> None:
        """`give_up` is told, in another thread, why this node is of no use any more."""
        self._host = host
        self._port = port
        self._data_folder = data_folder
        self._redis_url = redis_url
        self._live_rooms_max = live_rooms_max
        self._standbys = standbys
        self._admin_host = admin_host
        self._admin_port = admin_port
        self._note_requests = note_requests
        self._progress = progress
        self._say = say
        self._give_up = give_up
        self._stack = ExitStack()
        self._controller: Any = None

    def start(self, release: Release) -> None:
        """Start everything and deploy `release`.

        Raises:
            CannotStart: If the port is taken, the rooms' server cannot be used or the classes
                cannot be loaded in a room actor.
        """
        check_port(self._host, self._port, "--port")
        if self._admin_port is not None:
            check_port(self._admin_host, self._admin_port, "--admin-port")
        try:
            redis_url = self._start_server()
            self._start_ray()
            self._start_actors(redis_url, release)
        except BaseException:
            self.stop()
            raise

    def deploy(self, release: Release) -> None:
        """Replace the room classes; live rooms move to the new ones, sockets stay.

        Returns when they have moved, or after `MOVE_PATIENCE_S`.

        Raises:
            CannotStart: If they cannot be loaded in a room actor; those before stay.
        """
        deploy = self._controller.deploy.remote(release, MOVE_WITHIN_S)
        try:
            ray.get(deploy, timeout=START_TIMEOUT_S)
            give_up_s = time.monotonic() + MOVE_PATIENCE_S
            while self._outdated_rooms() and time.monotonic() < give_up_s:
                time.sleep(MOVE_POLL_S)
        except ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None) or error
            raise CannotStart(f"the room classes cannot be used: {cause}") from error

    def _outdated_rooms(self) -> int:
        count: int = ray.get(self._controller.outdated_rooms.remote(), timeout=START_TIMEOUT_S)
        return count

    def stop(self) -> None:
        """Stop what is running; rooms leave in good order."""
        self._stack.close()

    def _start_server(self) -> str:
        if self._redis_url is not None:
            with self._progress("looking at the Redis server"):
                self._say(look_at_redis(self._redis_url))
            return self._redis_url
        server = EmbeddedServer(self._data_folder / STORAGE_FOLDER)
        with self._progress("starting a private Valkey"):
            try:
                server.start()
            except StorageError as error:
                raise CannotStart(str(error)) from error
        self._stack.callback(server.stop)
        keeper = ServerKeeper(server, self._say, self._give_up)
        keeper.start()
        self._stack.callback(keeper.stop)
        return server.url

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

    def _start_actors(self, redis_url: str, release: Release) -> None:
        # Not below the data folder: the path of a Unix socket has at most 107 bytes.
        folder = tempfile.mkdtemp(prefix="parlour-")
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        settings = ClusterSettings(
            redis_url,
            self._host,
            self._port,
            standbys=self._standbys,
            live_rooms_max=self._live_rooms_max,
            folder=folder,
            crons_on_demand=True,
            note_requests=self._note_requests,
            admin_host=self._admin_host,
            admin_port=self._admin_port,
        )
        with self._progress("starting the controller, the gateway and room actors"):
            self._controller = start_controller(settings)
            self._stack.callback(self._stop_actors)
            wait_until_ready(self._controller, START_TIMEOUT_S)
            self.deploy(release)

    def _stop_actors(self) -> None:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(self._controller.stop.remote(), timeout=STOP_TIMEOUT_S)


def check_port(host: str, port: int, option: str) -> None:
    """Find out early whether the gateway, or the admin port, will be able to listen.

    Raises:
        CannotStart: If somebody else listens there, or the host is not this machine's.
    """
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise CannotStart(
            f"port {port} on {host} cannot be used ({error.strerror or error}); "
            f"stop what uses it, or choose another with {option}"
        ) from error
