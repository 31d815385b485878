"""Versions of room classes on a running cluster: by jobs, under load, and back again."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from parlour.runtime.rollout import FAILED_ROOMS_MIN

from .clients import Talker, clients
from .conftest import Cluster
from .parlour_on_nodes import ROOMS, ParlourOnNodes

pytestmark = pytest.mark.timeout(180)  # the first of them starts the cluster

LONGEST_PAUSE_S = 5.0
TALK = ROOMS.read_text()
CANNOT_START = TALK.replace(
    'self.said: int = await self.storage.get("said", 0)', 'raise RuntimeError("not today")'
)
CRON_TIMEOUT_S = 20.0
SHOP = """
from parlour import Room

class Shop(Room):
    ticks = []

    @staticmethod
    def on_fetch(request, lobby):
        return {"ticks": Shop.ticks} if request.path == "/ticks" else None

    @staticmethod
    def on_cron(cron, lobby):
        Shop.ticks.append(cron.name)
"""
PYTHON_API = """
import parlour
from rooms import Talk
print("version", parlour.deploy(Talk, parties={"chat": Talk}, name="by program", address="auto"))
"""


@pytest.fixture
def app(tmp_path: Path, parlour: ParlourOnNodes) -> Iterator[Path]:
    """A file with room classes; what was deployed before is deployed again after the test."""
    yield tmp_path / "app.py"
    parlour.deploy(ROOMS, "--within", "0")


def write(file: Path, text: str) -> None:
    """The room classes that a test deploys."""
    file.write_text(text)


async def test_a_deploy_under_load_closes_no_socket_and_loses_no_message(
    cluster: Cluster, parlour: ParlourOnNodes, app: Path
) -> None:
    """Rooms with clients on three nodes move to the new version one by one."""
    write(app, TALK.replace("{self.said}: ", "new {self.said}: "))
    before = parlour.current_version()
    async with clients() as world:
        talkers, sockets = [], []
        for number, host in enumerate(cluster.nodes.hosts * 2):
            client = await world.connect(host, f"talk/busy-{number}")
            talkers.append(Talker(client, f"talker-{number}"))
            sockets.append(client)

        printed = await asyncio.to_thread(parlour.deploy, app, "--within", "8")
        for talker in talkers:
            await talker.stop_after("new ")

        assert f"version {before + 1} is deployed" in printed
        assert max(talker.longest_wait_s for talker in talkers) < LONGEST_PAUSE_S
        for number, (client, talker) in enumerate(zip(sockets, talkers, strict=True)):
            assert not client.socket.closed
            said = (await world.get(cluster.nodes.head, f"talk/busy-{number}"))["said"]
            assert said == talker.said


async def test_a_version_whose_rooms_cannot_start_is_rolled_back_by_itself(
    cluster: Cluster, parlour: ParlourOnNodes, app: Path
) -> None:
    """Clients notice a pause and nothing else; the version is kept, and says why it was halted."""
    write(app, CANNOT_START)
    before = parlour.current_version()
    async with clients() as world:
        hosts = cluster.nodes.hosts * 2
        everybody = [
            await world.connect(host, f"talk/calm-{number}") for number, host in enumerate(hosts)
        ]
        for client in everybody:
            assert await client.ask("one") == "1: one"

        await asyncio.to_thread(parlour.deploy, app, "--within", "0")
        for client in everybody:
            await client.say("two")
        heard = [await client.hear() for client in everybody]

        assert heard == ["2: two"] * len(everybody)
    assert parlour.current_version() == before
    assert "could not start with it" in parlour.run("deployments")


async def test_a_controller_that_is_restarted_still_takes_a_bad_version_back(
    cluster: Cluster, parlour: ParlourOnNodes, app: Path
) -> None:
    """Its process is killed between the deploy and the first room that wakes."""
    write(app, CANNOT_START)
    before = parlour.current_version()
    parlour.deploy(app)
    [controller] = [
        pid for pid, line in cluster.nodes.head.processes().items() if "RayController" in line
    ]
    os.kill(controller, signal.SIGKILL)

    async with clients() as world:
        rooms = [f"talk/late-{number}" for number in range(FAILED_ROOMS_MIN)]
        answers = await asyncio.gather(*(world.get(cluster.nodes.head, room) for room in rooms))

    assert [answer["said"] for answer in answers] == [0] * len(rooms)
    assert await asyncio.to_thread(parlour.current_version) == before


def test_classes_that_cannot_be_imported_on_the_cluster_change_nothing(
    parlour: ParlourOnNodes, app: Path
) -> None:
    """The deploy fails with the reason, and the running version stays."""
    app.write_text("import no_such_package\n" + TALK)
    before = parlour.current_version()

    printed = parlour.deploy(app, status=1)

    assert "No module named 'no_such_package'" in printed
    assert "Traceback" not in printed
    assert parlour.current_version() == before


def test_a_version_can_be_taken_back(parlour: ParlourOnNodes, app: Path) -> None:
    """By number or to the one before; a number that is not kept is refused with what is."""
    before = parlour.current_version()
    app.write_text(TALK)
    parlour.deploy(app)

    assert f"version {before} is deployed" in parlour.run("rollback")
    assert parlour.current_version() == before
    assert "there is no version to go back to" in parlour.run("rollback", "999", status=1)


def test_a_project_names_the_class_of_each_party(parlour: ParlourOnNodes, app: Path) -> None:
    """Its modules travel with them; its variables are there in the rooms' processes."""
    folder = app.parent / "project"
    (folder / "rooms").mkdir(parents=True)
    (folder / "rooms" / "__init__.py").write_text("")
    (folder / "rooms" / "talk.py").write_text(
        TALK.replace('"where": socket.gethostname()', '"where": os.environ["REGION"]')
    )
    (folder / "parlour.toml").write_text(
        'name = "shop"\n[parties]\ntalk = "rooms.talk:Talk"\nhelp = "rooms.talk:Talk"\n'
        '[runtime_env]\nenv = { REGION = "mars" }\n'
    )

    parlour.deploy(folder, "--within", "0")

    async def ask() -> object:
        async with clients() as world:
            return (await world.get(parlour.nodes.head, "help/desk"))["where"]

    assert asyncio.run(ask()) == "mars"
    assert "shop" in parlour.run("deployments")


def test_static_files_and_crons_of_a_project_are_on_every_node(
    cluster: Cluster, parlour: ParlourOnNodes, app: Path
) -> None:
    """The files came with the job; a cron runs each time on one node, whichever it is."""
    folder = app.parent / "project"
    (folder / "public").mkdir(parents=True)
    (folder / "public" / "index.html").write_text("<title>shop</title>")
    (folder / "shop.py").write_text(SHOP)
    (folder / "parlour.toml").write_text(
        '[parties]\nmain = "shop:Shop"\n[crons]\n"each second" = "* * * * * *"\n'
    )
    parlour.deploy(folder, "--within", "0")

    async def ask() -> None:
        async with clients() as world:
            for host in cluster.nodes.hosts:
                assert await world.page(host, "/") == "<title>shop</title>"
            async with asyncio.timeout(CRON_TIMEOUT_S):
                for host in itertools.cycle(cluster.nodes.hosts):
                    if "each second" in await world.page(host, "/ticks"):
                        return

    asyncio.run(ask())


def test_packages_of_a_project_are_there_in_its_room_actors(
    parlour: ParlourOnNodes, app: Path
) -> None:
    """Those of `runtime_env`, and only there: who deploys has them not."""
    folder = app.parent / "project"
    folder.mkdir()
    wheel = build_package(app.parent)
    (folder / "talk.py").write_text(
        TALK.replace('"where": socket.gethostname()', '"where": __import__("greeting").WORD')
    )
    (folder / "parlour.toml").write_text(
        f'[parties]\ntalk = "talk:Talk"\n[runtime_env]\npip = ["{wheel}"]\n'
    )
    for host in parlour.nodes.hosts:
        host.path(wheel.parent).mkdir(exist_ok=True)
        shutil.copy(app.parent / "dist" / wheel.name, host.path(wheel))

    parlour.deploy(folder, "--within", "0")
    for host in parlour.nodes.hosts:  # each prepares the packages for itself
        parlour.wait_until_ready(host)

    async def ask() -> list[object]:
        async with clients() as world:
            return [
                (await world.get(host, f"talk/pip-{host.name}"))["where"]
                for host in parlour.nodes.hosts
            ]

    assert asyncio.run(ask()) == ["hello from a package"] * len(parlour.nodes.hosts)


def build_package(folder: Path) -> Path:
    """Build a wheel of one module in `folder / "dist"`; returns where hosts are to have it."""
    sources = folder / "package"
    sources.mkdir()
    (sources / "greeting.py").write_text('WORD = "hello from a package"\n')
    (sources / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "greeting"\nversion = "1"\n'
        '[tool.setuptools]\npy-modules = ["greeting"]\n'
    )
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command = [*pip, "--wheel-dir", str(folder / "dist"), str(sources)]
    subprocess.run(command, check=True, capture_output=True)
    [built] = (folder / "dist").glob("*.whl")
    return Path("/tmp/wheels") / built.name


def test_rays_own_job_command_and_a_program_deploy_too(
    cluster: Cluster, parlour: ParlourOnNodes, app: Path
) -> None:
    """`ray job submit -- parlour deploy`, and `parlour.deploy` in a driver."""
    folder = app.parent
    (folder / "rooms.py").write_text(TALK)
    (folder / "program.py").write_text(PYTHON_API)
    before = parlour.current_version()
    submit = [sys.executable, "-m", "ray.scripts.scripts", "job", "submit"]
    submit += ["--address", cluster.nodes.dashboard_url, "--working-dir", str(folder), "--"]
    for command in (["parlour", "deploy", "rooms.py"], ["python", "program.py"]):
        done = subprocess.run(
            [*submit, *command],
            env=cluster.nodes.outside_environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    assert parlour.current_version() == before + 2
    assert "by program" in parlour.run("deployments")


async def test_clients_who_are_silent_hear_what_is_said_after_a_deploy(
    cluster: Cluster, parlour: ParlourOnNodes
) -> None:
    """At every gateway: the room left its process, and all of them are with it again."""
    async with clients() as world:
        everybody = [await world.connect(host, "talk/silent") for host in cluster.nodes.hosts]
        before = await everybody[0].ask("where?")
        await asyncio.to_thread(parlour.deploy, ROOMS, "--within", "0")
        while await everybody[0].ask("where?") == before:
            pass

        await everybody[0].say("hello")

        assert [await client.hear() for client in everybody] == ["1: hello"] * 3
