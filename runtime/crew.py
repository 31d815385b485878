"""The room actors of a node as processes: started, tried out, ended. `pool.py` decides how many.

Starting one costs most of a second of CPU, so it is done ahead of time; one that cannot start is
said why to whoever waits for it, and after a pause the next is tried.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable
from typing import Protocol

from ..actors.resources import NO_RESOURCES, ActorResources
from ..actors.room_actor_settings import RoomActorSettings
from .actor_record import ActorRecord, ActorState
from .deployment import Deployment
from .pool import Pool
from .settings import ManagerSettings

log = logging.getLogger(__name__)

TRIAL_TIMEOUT_S = 40.0  # for the first room actor of a new version to start
RESTART_PAUSE_S = 1.0  # after a room actor that could not start


class DeployFailed(Exception):
    """New room classes that a room actor cannot use."""


class RunningActor(Protocol):
    """A room actor's process."""

    async def placed(self) -> None:
        """Wait until it has a process, or none any more."""

    async def joined(self) -> str:
        """Wait until it reports to the manager of its node; returns that manager's address if the
        node is another one, and nothing if it is this one or the process has ended."""

    async def ended(self) -> str:
        """Wait until it has ended; returns what went wrong, or nothing."""

    def kill(self) -> None:
        """End it at once."""


class ActorStarter(Protocol):
    """Who starts room actors: Ray."""

    async def start(self, settings: RoomActorSettings, deployed: Deployment) -> RunningActor: ...

    def kill(self, actor_id: str) -> None:
        """End one at once, whoever has started it."""


class Crew:
    """Starts and ends the room actors of a pool."""

    def __init__(
        self,
        settings: ManagerSettings,
        starter: ActorStarter,
        pool: Pool,
        spawn: Callable[[Coroutine[None, None, None]], object],
        on_gone: Callable[[], None],
        on_joined: Callable[[ActorResources, str], None],
    ) -> None:
        """`spawn` runs a coroutine as a task; `on_gone` is told that a place has become free,
        `on_joined` that one with such resources has joined the other manager at that address."""
        self.start_error = ""  # of the room actor that could not start last
        self._settings = settings
        self._starter = starter
        self._pool = pool
        self._spawn = spawn
        self._on_gone = on_gone
        self._on_joined = on_joined
        self._deployed: Deployment | None = None
        self._running: dict[str, RunningActor] = {}
        self._trials: dict[str, asyncio.Future[str]] = {}  # room actor -> what went wrong
        self._pause_until_s = 0.0

    def __repr__(self) -> str:
        return f"<Crew of {len(self._running)} room actors>"

    async def try_out(self, new: Deployment) -> None:
        """Start one room actor with a new version; it stays as a standby for when that is used.

        Raises:
            DeployFailed: If it does not start within `TRIAL_TIMEOUT_S`; says why.
        """
        trial = self._pool.add(uuid.uuid4().hex[:12], new.version)
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._trials[trial.id] = ready
        self._spawn(self._run(trial, new))
        try:
            async with asyncio.timeout(TRIAL_TIMEOUT_S):
                problem = await ready
        except TimeoutError:
            self._starter.kill(trial.id)
            problem = f"a room actor with them did not start within {TRIAL_TIMEOUT_S:.0f} s"
        finally:
            del self._trials[trial.id]
        if problem:
            raise DeployFailed(problem)

    def use(self, deployed: Deployment) -> None:
        """Start room actors with this version from now on."""
        self._deployed = deployed
        self._pause_until_s = 0.0

    def fill(self, waiting: int, others: Iterable[ActorResources] = ()) -> None:
        """Start as many as are missing, when so many rooms wait for one; and `others`, with such
        resources."""
        deployed = self._deployed
        if deployed is None or time.monotonic() < self._pause_until_s:
            return
        for resources in [*[NO_RESOURCES] * self._pool.missing(waiting), *others]:
            record = self._pool.add(uuid.uuid4().hex[:12], deployed.version, resources)
            self._spawn(self._run(record, deployed))

    def introduced(self, record: ActorRecord) -> None:
        """One has started and said who it is."""
        trial = self._trials.get(record.id)
        if trial is not None and not trial.done():
            trial.set_result("")

    def started_here(self, record: ActorRecord) -> bool:
        """Whether it is ours; an earlier manager of this node may have left some."""
        return record.id in self._running

    def kill(self, record: ActorRecord) -> None:
        """End one at once."""
        self._starter.kill(record.id)

    def kill_if_starting(self, record: ActorRecord) -> None:
        """End one that has no room, and cannot be told yet."""
        if record.state is ActorState.STARTING and record.id in self._running:
            self._running[record.id].kill()

    async def _run(self, record: ActorRecord, deployed: Deployment) -> None:
        settings = RoomActorSettings(
            record.id,
            self._settings.folder,
            self._settings.address,
            self._settings.redis_url,
            record.version,
            self._settings.network,
            env=deployed.env,
            resources=record.resources,
        )
        record.asked_s = time.monotonic()
        if not record.resources:
            record.started_s = record.asked_s
        try:
            actor = await self._starter.start(settings, deployed)
        except Exception as error:  # whatever Ray raises: the place must become free again
            self._could_not_start(record, f"{type(error).__name__}: {error}")
            return
        self._running[record.id] = actor
        if record.resources and await self._has_joined_another(record, actor):
            del self._running[record.id]
            return
        problem = await actor.ended()
        del self._running[record.id]
        if record.state is ActorState.STARTING or record.link is None:
            self._could_not_start(record, problem or "a room actor ended while it started")
        actor.kill()

    async def _has_joined_another(self, record: ActorRecord, actor: RunningActor) -> bool:
        """Wait until Ray has placed it, which may take any time; whether it went elsewhere."""
        await actor.placed()
        record.started_s = time.monotonic()
        try:
            manager_address = await actor.joined()
        except Exception:  # whatever Ray raises: it is there, and who waits for it asks again
            log.exception("a room actor was placed on another node, and which one is not known")
            self._pool.remove(record)
            return True
        if manager_address:
            self._pool.remove(record)
            self._on_joined(record.resources, manager_address)
        return bool(manager_address)

    def withdraw(self, record: ActorRecord) -> None:
        """Take back one that Ray has not placed."""
        self._pool.remove(record)
        if record.id in self._running:
            self._running[record.id].kill()

    def _could_not_start(self, record: ActorRecord, problem: str) -> None:
        if self._pool.actors.get(record.id) is not record:
            return  # it had started, and has ended since
        self._pool.remove(record)
        self._on_gone()
        trial = self._trials.get(record.id)
        if trial is not None and not trial.done():
            trial.set_result(problem)
            return
        if self._deployed is not None and record.version != self._deployed.version:
            return  # a trial that was given up: the version in use has no part in it
        log.error("a room actor could not start: %s", problem)
        self.start_error = problem
        self._pause_until_s = time.monotonic() + RESTART_PAUSE_S
