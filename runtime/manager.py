"""The hibernation manager: one per node. Keeps the standby pool, places rooms, sends them to sleep.

Gateways ask it over a Unix socket where a room is; it answers with the room actor that has it, or
gives it a standby. Room actors report to it, and it tells them which rooms have to leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Coroutine
from typing import Protocol

from ..actors import messages
from ..actors.frames import Kind, pack
from ..actors.link import Link, listen
from ..actors.messages import Hello, Leave, Placed, Report, RoomKey, Wake
from ..actors.room_actor import RoomActorSettings
from .burial import Undertaker
from .deployment import Deployment
from .hibernation import NodeSnapshot, RoomSnapshot, departures
from .memory import available_bytes
from .pool import ActorRecord, ActorState, Pool
from .settings import ManagerSettings
from .waiting import WaitingWake, WaitingWakes

log = logging.getLogger(__name__)

TICK_S = 0.2
HURRY_S = 0.02  # from a room that finds no place to a look who could give one up
STOP_TIMEOUT_S = 6.0
TRIAL_TIMEOUT_S = 40.0  # for the first room actor of a new version to start
RESTART_PAUSE_S = 1.0  # after a room actor that could not start


class DeployFailed(Exception):
    """New room classes that a room actor cannot use."""


class RunningActor(Protocol):
    """A room actor's process."""

    async def ended(self) -> str:
        """Wait until it has ended; returns what went wrong, or nothing."""

    def kill(self) -> None:
        """End it at once."""


class ActorStarter(Protocol):
    """Who starts room actors: Ray."""

    async def start(self, settings: RoomActorSettings, code: bytes) -> RunningActor: ...

    def kill(self, actor_id: str) -> None:
        """End one at once, whoever has started it."""


class HibernationManager:
    """Places rooms in room actors and takes them out again."""

    def __init__(self, settings: ManagerSettings, starter: ActorStarter) -> None:
        self.settings = settings
        self.pool = Pool(settings.standbys, settings.live_rooms_max)
        self._starter = starter
        self._undertaker = Undertaker(settings.redis_url)
        self._code = b""
        self._waiting = WaitingWakes()
        self._running: dict[str, RunningActor] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None
        self._pause_until_s = 0.0
        self._start_error = ""
        self._trials: dict[str, asyncio.Future[str]] = {}  # room actor -> what went wrong
        self._one_is_gone = asyncio.Event()
        self._hurry: asyncio.TimerHandle | None = None
        self._stopping = False

    def __repr__(self) -> str:
        return f"<HibernationManager {self.pool}, {len(self._waiting)} waiting>"

    async def start(self, deployed: Deployment | None) -> None:
        """Listen for gateways and room actors; take over what an earlier manager had deployed."""
        if deployed is not None:
            self._use(deployed)
        self._server = await listen(
            self.settings.address, self._on_frame, self._on_lost, on_hello=self._on_hello
        )
        self._spawn(self._tick())

    async def deploy(self, new: Deployment) -> None:
        """Use these room classes from now on; live rooms move to them.

        Raises:
            DeployFailed: If a room actor with them does not start; nothing has changed then.
        """
        trial = self.pool.add(uuid.uuid4().hex[:12], new.version)
        problem = await self._try(trial, new)
        if problem:
            raise DeployFailed(problem)
        self._use(new)
        for record in self.pool.actors.values():
            if record.version != new.version:
                self._send_all_away(record, "deploy")
        self._serve_waiting()

    async def _try(self, trial: ActorRecord, new: Deployment) -> str:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._trials[trial.id] = ready
        self._spawn(self._run_actor(trial, new.code.data))
        try:
            async with asyncio.timeout(TRIAL_TIMEOUT_S):
                return await ready
        except TimeoutError:
            self._starter.kill(trial.id)
            return f"a room actor with them did not start within {TRIAL_TIMEOUT_S:.0f} s"
        finally:
            del self._trials[trial.id]

    def _use(self, deployed: Deployment) -> None:
        self._code = deployed.code.data
        self.pool.deploy(deployed.version, deployed.code.parties)
        self._pause_until_s = 0.0
        self._fill()

    async def stop(self) -> None:
        """Let every room leave in good order and end every room actor."""
        self._stopping = True
        for record in self.pool.actors.values():
            if record.state is ActorState.STARTING and record.id in self._running:
                self._running[record.id].kill()  # has no room, and cannot be told yet
            self._end(record, b"shutdown")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._all_gone()
        for actor_id in list(self.pool.actors):
            self._starter.kill(actor_id)
        for task in self._tasks:
            task.cancel()
        if self._server is not None:
            self._server.close()

    async def _all_gone(self) -> None:
        # Also of those that an earlier manager started: all that is known of them is their link.
        while self.pool.actors:
            self._one_is_gone.clear()
            await self._one_is_gone.wait()

    # Frames

    def _on_hello(self, link: Link, hello: Hello) -> None:
        if hello.role != "room actor":
            return
        record = self.pool.actors.get(hello.id)
        if record is None:
            # It was started by a manager that has died since; its rooms are in its first report.
            record = self.pool.add(hello.id, hello.version)
        self.pool.started(record, link, hello.address, time.monotonic())
        if hello.id in self._trials and not self._trials[hello.id].done():
            self._trials[hello.id].set_result("")
        self._undertaker.watch(hello.id, hello.pid, hello.address)
        self._serve_waiting()

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.WAKE:
            self._on_wake(link, number, messages.decode(payload, Wake).key)
        elif kind == Kind.REPORT:
            record = self._record_of(link)
            if record is not None:
                report = messages.decode(payload, Report)
                record.owner = report.owner
                self.pool.report(record, report.rooms, report.memory_bytes, time.monotonic())
                self._serve_waiting()

    def _on_lost(self, link: Link) -> None:
        record = self._record_of(link)
        if record is None:
            self._waiting.forget(link)
            return
        record.link = None
        keys = self.pool.remove(record)
        self._one_is_gone.set()
        if record.state is not ActorState.ENDING:
            log.warning("room actor %s is gone, it had %d rooms", record.id, len(keys))
        if record.state is not ActorState.ENDING or record.id not in self._running:
            self._starter.kill(record.id)  # one that another manager started has nobody else
        self._undertaker.bury(record.id, record.owner, keys)
        self._fill()

    def _record_of(self, link: Link) -> ActorRecord | None:
        if link.peer is None:
            return None
        record = self.pool.actors.get(link.peer.id)
        return record if record is not None and record.link is link else None

    # Placing

    def _on_wake(self, link: Link, number: int, key: RoomKey) -> None:
        if self._waiting.full:
            self._answer(link, number, Placed(error="too many rooms wait for a process"))
            return
        wake = WaitingWake(link, number, key, time.monotonic())
        if self._undertaker.is_burying(key):
            self._spawn(self._place_after_burial(wake))
        elif not self._place(wake):
            self._wait(wake)

    async def _place_after_burial(self, wake: WaitingWake) -> None:
        await self._undertaker.buried(wake.key)
        if not self._place(wake):
            self._wait(wake)

    def _wait(self, wake: WaitingWake) -> None:
        self._waiting.add(wake)
        self._fill()
        if self._hurry is None:
            self._hurry = asyncio.get_running_loop().call_later(HURRY_S, self._find_places)

    def _find_places(self) -> None:
        self._hurry = None
        if self._waiting and not self._stopping:
            self._send_to_sleep()

    def _place(self, wake: WaitingWake) -> bool:
        record = self.pool.assign(wake.key, time.monotonic())
        if record is None:
            return False
        self._answer(wake.link, wake.number, Placed(record.address))
        # The pool is refilled at the next tick: a process that starts takes the processors from
        # the room that is waking.
        return True

    def _serve_waiting(self) -> None:
        self._waiting.serve(self._place)

    def _answer(self, link: Link, number: int, placed: Placed) -> None:
        link.write(pack(Kind.PLACED, number=number, payload=messages.encode(placed)))

    # Keeping the pool

    def _fill(self) -> None:
        if self._stopping or not self.pool.version or time.monotonic() < self._pause_until_s:
            return
        for _ in range(self.pool.missing(len(self._waiting))):
            record = self.pool.add(uuid.uuid4().hex[:12], self.pool.version)
            self._spawn(self._run_actor(record, self._code))

    async def _run_actor(self, record: ActorRecord, code: bytes) -> None:
        settings = RoomActorSettings(
            record.id,
            self.settings.folder,
            self.settings.address,
            self.settings.redis_url,
            record.version,
            self.settings.network,
        )
        record.started_s = time.monotonic()
        try:
            actor = await self._starter.start(settings, code)
        except Exception as error:  # whatever Ray raises: the place must become free again
            self._could_not_start(record, f"{type(error).__name__}: {error}")
            return
        self._running[record.id] = actor
        problem = await actor.ended()
        del self._running[record.id]
        if record.state is ActorState.STARTING or record.link is None:
            self._could_not_start(record, problem or "a room actor ended while it started")
        actor.kill()

    def _could_not_start(self, record: ActorRecord, problem: str) -> None:
        if self.pool.actors.get(record.id) is not record:
            return  # it had started, and has ended since
        self.pool.remove(record)
        self._one_is_gone.set()
        trial = self._trials.get(record.id)
        if trial is not None and not trial.done():
            trial.set_result(problem)
            return
        log.error("a room actor could not start: %s", problem)
        self._start_error = problem
        self._pause_until_s = time.monotonic() + RESTART_PAUSE_S

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self._look_around()
            except Exception:  # one bad look must not be the last
                log.exception("the hibernation manager could not look after its rooms")

    def _look_around(self) -> None:
        now_s = time.monotonic()
        self._expire_waiting()
        self._send_to_sleep()
        for record in self.pool.actors.values():
            if record.version != self.pool.version and record.keys:
                # Again and again: a room may have been on its way to it when it was told first.
                self._send_all_away(record, "deploy")
        for record in self.pool.silent(now_s):
            self._spawn(self._end_if_stopped(record))
        for record in self.pool.stuck(now_s, TRIAL_TIMEOUT_S):
            log.error("room actor %s is stuck and is ended", record.id)
            self._undertaker.kill(record.id)
            self._starter.kill(record.id)
        for record in self.pool.surplus():
            self._end(record, b"surplus")
        self._fill()

    async def _end_if_stopped(self, record: ActorRecord) -> None:
        """A busy room actor does not report but keeps its lease; a stopped one loses it."""
        if record.owner and await self._undertaker.is_lease_gone(record.owner):
            log.warning("room actor %s has lost its lease and is ended", record.id)
            self._undertaker.kill(record.id)

    def _expire_waiting(self) -> None:
        for wake in self._waiting.expired(time.monotonic()):
            why = self._start_error or "no room actor became free in time"
            self._answer(wake.link, wake.number, Placed(error=why))

    def _send_to_sleep(self) -> None:
        for key, reason in departures(self._snapshot(), self.pool.options):
            record = self.pool.find(key)
            if record is None:
                continue
            if reason == "memory":
                log.warning(
                    "room %s is reset: its process has grown by %d bytes", key, record.growth_bytes
                )
                record.retiring = True  # memory comes back with the end of the process
            self._send_away(record, key, reason)

    def _snapshot(self) -> NodeSnapshot:
        rooms = [
            RoomSnapshot(
                room.key,
                room.state == "idle",
                room.connections,
                room.started_s,
                room.last_event_s,
                record.growth_bytes,
                len(record.rooms),
            )
            for record, room in self.pool.rooms()
            if room.key.party in self.pool.options
        ]
        return NodeSnapshot(
            now_s=time.monotonic(),
            rooms=rooms,
            # Also while processes are being started: an idle room gives up its place much faster.
            places_wanted=len(self._waiting),
            short_of_memory=available_bytes() < self.settings.free_memory_bytes_min,
        )

    def _send_all_away(self, record: ActorRecord, reason: str) -> None:
        for key in record.keys:
            self._send_away(record, key, reason)

    def _send_away(self, record: ActorRecord, key: RoomKey, reason: str) -> None:
        self._tell(record, Kind.HIBERNATE, messages.encode(Leave(key, reason)))

    def _end(self, record: ActorRecord, reason: bytes) -> None:
        self._tell(record, Kind.EXIT, reason)
        record.state = ActorState.ENDING

    def _tell(self, record: ActorRecord, kind: Kind, payload: bytes) -> None:
        if record.link is not None:
            record.link.write(pack(kind, payload=payload))

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("the hibernation manager met an error", exc_info=task.exception())
