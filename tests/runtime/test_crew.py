"""The crew: room actors are started as they are wanted, tried out, and replaced after a pause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from types import SimpleNamespace

import pytest
from parlour.actors.link import Link
from parlour.actors.network import Network
from parlour.actors.options import options_of
from parlour.actors.resources import ActorResources
from parlour.actors.room_actor_settings import RoomActorSettings
from parlour.runtime import crew as crew_module
from parlour.runtime.actor_record import ActorRecord, ActorState
from parlour.runtime.code import Code
from parlour.runtime.crew import RESTART_PAUSE_S, Crew, DeployFailed
from parlour.runtime.deployment import Deployment
from parlour.runtime.pool import Pool
from parlour.runtime.settings import ManagerSettings

from ..actors.staging import until
from .managed import Chat

NETWORK = Network("/tmp/parlour-n", "10.0.0.1", b"secret")
GPU = ActorResources(num_gpus=1.0)
SETTINGS = ManagerSettings("/tmp/parlour-n", "redis://", "n", NETWORK)


class Process:
    """A room actor's process, which ends when a test says so."""

    def __init__(self) -> None:
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.kills = 0
        self.has_place = asyncio.Event()  # that Ray has given it, if it asks for resources
        self.joins = ""  # the manager of another node

    async def placed(self) -> None:
        place = asyncio.ensure_future(self.has_place.wait())
        self.end.add_done_callback(lambda _: place.cancel())
        await asyncio.wait([place])

    async def joined(self) -> str:
        return self.joins

    async def ended(self) -> str:
        return await asyncio.shield(self.end)

    def kill(self) -> None:
        self.kills += 1
        if not self.end.done():
            self.end.set_result("killed")


class Stage:
    """A crew, whose processes are scripted, and a clock."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.pool = Pool(standbys=2, live_rooms_max=10)
        self.crew = Crew(SETTINGS, self, self.pool, self._spawn, self._gone, self._joined)
        self.problem: Exception | None = None
        self.started: list[tuple[RoomActorSettings, Deployment, Process]] = []
        self.killed: list[str] = []
        self.gone = 0
        self.joined: list[tuple[ActorResources, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # ActorStarter

    async def start(self, settings: RoomActorSettings, deployed: Deployment) -> Process:
        if self.problem is not None:
            raise self.problem
        process = Process()
        self.started.append((settings, deployed, process))
        return process

    def kill(self, actor_id: str) -> None:
        self.killed.append(actor_id)

    # The manager, as the crew needs it

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _gone(self) -> None:
        self.gone += 1

    def _joined(self, resources: ActorResources, address: str) -> None:
        self.joined.append((resources, address))

    def use(self, version: int) -> None:
        new = deployment(version)
        self.pool.deploy(version, new.code.parties)
        self.crew.use(new)

    async def up(self, count: int) -> None:
        """Wait until so many were started in all."""
        await until(lambda: len(self.started) == count)

    def introduce(self, number: int) -> ActorRecord:
        """One is there and says who it is."""
        record = self.pool.actors[self.started[number][0].id]
        self.pool.started(record, Link(print, print), "/run/x", self.now_s)
        self.crew.introduced(record)
        return record


def deployment(version: int) -> Deployment:
    """A version of the room classes."""
    return Deployment(version, Code({"chat": options_of(Chat)}, b"code %d" % version))


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """With nothing in use."""
    stage = Stage()
    monkeypatch.setattr(crew_module, "time", SimpleNamespace(monotonic=lambda: stage.now_s))
    yield stage
    for _, _, process in stage.started:
        process.kill()
    await until(lambda: not stage._tasks)


async def test_without_a_version_nobody_is_started(stage: Stage) -> None:
    """There would be nothing to run."""
    stage.crew.fill(5)
    assert not stage.pool.actors


async def test_as_many_are_started_as_are_missing(stage: Stage) -> None:
    """With what is deployed, and with what they need to be reached by other nodes."""
    stage.use(3)
    stage.crew.fill(0)
    stage.crew.fill(0)
    await stage.up(2)
    for settings, deployed, _ in stage.started:
        assert (settings.version, deployed.code.data) == (3, b"code 3")
        assert (settings.manager_address, settings.network) == (SETTINGS.address, NETWORK)
    assert len({settings.id for settings, _, _ in stage.started}) == 2
    assert all(stage.crew.started_here(record) for record in stage.pool.actors.values())
    assert repr(stage.crew) == "<Crew of 2 room actors>"
    assert not stage.crew.started_here(stage.pool.add("an earlier manager's", 3))


@pytest.mark.parametrize("how", ["cannot be started", "ends while it starts"])
async def test_after_one_that_could_not_start_there_is_a_pause(stage: Stage, how: str) -> None:
    """Its place is free again, why is kept for those who wait, and a new version does not wait."""
    stage.use(1)
    if how == "cannot be started":
        stage.problem = OSError("no more processes")
    stage.crew.fill(0)
    if how == "ends while it starts":
        await stage.up(2)
        for _, _, process in stage.started:
            process.end.set_result("OSError: no more processes")
    await until(lambda: stage.gone == 2)
    assert stage.crew.start_error == "OSError: no more processes"
    assert not stage.pool.actors
    stage.problem = None
    before = len(stage.started)

    stage.crew.fill(0)
    assert not stage.pool.actors
    stage.now_s += RESTART_PAUSE_S + 0.1
    stage.crew.fill(0)
    await stage.up(before + 2)

    stage.started[-1][2].end.set_result("once more")
    await until(lambda: stage.crew.start_error == "once more")
    stage.use(2)
    stage.crew.fill(0)
    assert any(record.version == 2 for record in stage.pool.actors.values())


async def test_one_that_had_started_and_ended_is_no_failure(stage: Stage) -> None:
    """The manager has seen its line end: nothing is held against its version."""
    stage.use(1)
    stage.crew.fill(0)
    await stage.up(2)
    record = stage.introduce(0)
    record.link = None
    stage.pool.remove(record)
    stage.started[0][2].end.set_result("killed by a hook")
    await until(lambda: not stage.crew.started_here(record))
    assert stage.crew.start_error == ""
    assert stage.gone == 0


async def test_a_trial_is_one_that_starts_and_stays(stage: Stage) -> None:
    """As a standby of the version that is tried; nothing else is started or changed."""
    stage.use(1)
    trial = asyncio.ensure_future(stage.crew.try_out(deployment(2)))
    await stage.up(1)
    assert stage.started[0][1].version == 2
    assert not trial.done()
    record = stage.introduce(0)
    await trial
    assert record.state is ActorState.STANDBY
    assert record.retiring  # no room of version 1 is placed there
    stage.use(2)
    assert not record.retiring


@pytest.mark.parametrize("how", ["cannot be started", "ends while it starts"])
async def test_a_trial_that_fails_says_why_and_leaves_nothing(stage: Stage, how: str) -> None:
    """The version in use goes on: no pause, no error of its own."""
    stage.use(1)
    if how == "cannot be started":
        stage.problem = RuntimeError("runtime_env: no such package")
        why = "RuntimeError: runtime_env: no such package"
    else:
        why = "ImportError: no module named x"
    trial = asyncio.ensure_future(stage.crew.try_out(deployment(2)))
    if how == "ends while it starts":
        await stage.up(1)
        stage.started[0][2].end.set_result(why)
    with pytest.raises(DeployFailed) as raised:
        await trial
    assert str(raised.value) == why
    assert not stage.pool.actors
    assert stage.crew.start_error == ""
    stage.problem = None
    stage.crew.fill(0)
    await until(lambda: len(stage.pool.actors) == 2)


async def test_a_trial_that_never_starts_changes_nothing_for_the_version_in_use(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended after a while, and its end is not held against the others."""
    monkeypatch.setattr(crew_module, "TRIAL_TIMEOUT_S", 0.02)
    stage.use(1)
    with pytest.raises(DeployFailed, match="did not start within"):
        await stage.crew.try_out(deployment(2))
    assert stage.killed == [stage.started[0][0].id]
    stage.started[0][2].end.set_result("killed")
    await until(lambda: not stage.pool.actors)
    assert stage.crew.start_error == ""
    stage.crew.fill(0)
    await until(lambda: len(stage.pool.actors) == 2)


async def test_only_those_that_start_are_ended_without_a_word(stage: Stage) -> None:
    """One that runs is told, so that its rooms leave in good order."""
    stage.use(1)
    stage.crew.fill(0)
    await stage.up(2)
    running = stage.introduce(0)
    starting = stage.pool.actors[stage.started[1][0].id]
    await until(lambda: stage.crew.started_here(starting))
    stage.crew.kill_if_starting(running)
    stage.crew.kill_if_starting(starting)
    assert [process.kills for _, _, process in stage.started] == [0, 1]
    stage.crew.kill(running)
    assert stage.killed == [running.id]


async def with_gpu(stage: Stage) -> tuple[ActorRecord, Process]:
    """One that Ray was asked for a GPU for."""
    stage.use(1)
    stage.pool._standbys = 0
    stage.crew.fill(0, [GPU])
    await stage.up(1)
    settings, _, process = stage.started[0]
    assert settings.resources == GPU
    return stage.pool.actors[settings.id], process


async def test_one_with_resources_starts_when_ray_has_placed_it(stage: Stage) -> None:
    """Until then its time to start does not run."""
    record, process = await with_gpu(stage)
    await until(lambda: stage.crew.started_here(record))
    stage.now_s += 1e6
    assert record.asked_s > 0
    assert record.started_s == 0
    assert stage.pool.stuck(stage.now_s, 1.0) == []
    process.has_place.set()
    await until(lambda: record.started_s == stage.now_s)
    stage.introduce(0)
    assert record.state is ActorState.STANDBY
    assert stage.joined == []


async def test_one_that_joins_another_manager_is_that_ones(stage: Stage) -> None:
    """It is told who waits for it; nothing is left of it here."""
    record, process = await with_gpu(stage)
    process.joins = "/there/manager.sock@10.0.0.2:7"
    process.has_place.set()
    await until(lambda: stage.joined == [(GPU, process.joins)])
    await until(lambda: not stage.crew.started_here(record))
    assert not stage.pool.actors
    assert process.kills == 0
    assert stage.crew.start_error == ""


async def test_a_demand_is_taken_back_without_a_word(stage: Stage) -> None:
    """It is no failure: nothing waits for it to be over."""
    record, process = await with_gpu(stage)
    await until(lambda: stage.crew.started_here(record))
    stage.crew.withdraw(record)
    assert not stage.pool.actors
    assert process.kills == 1
    await until(lambda: not stage.crew.started_here(record))
    assert (stage.crew.start_error, stage.gone) == ("", 0)
    stage.crew.fill(0, [GPU])
    await stage.up(2)
