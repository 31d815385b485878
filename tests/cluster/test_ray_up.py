"""`ray up cluster.yaml` for real: over SSH, from one host to three others, and down again.

What differs from a launch on machines of one's own is in launching.py. In the file itself only
its addresses are filled in, and the Ray that the tests have takes the place of the one it names.
"""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator

import pytest

from ..support.requirements import require
from ..support.wheel import ROOT
from .host import Host
from .launching import Launch
from .network import Network
from .ray_nodes import GCS_PORT, WAIT_FOR_NODES

pytestmark = pytest.mark.timeout(600)

UP_TIMEOUT_S = 240.0
JOIN_TIMEOUT_S = 120.0
DOWN_TIMEOUT_S = 60.0
GATEWAY_PORT = 1999
ANSWER_TIMEOUT_S = 10.0
LOOK_AGAIN_S = 0.3
HELPERS = ("/log_monitor.py", "ray::DashboardAgent", "ray::RuntimeEnvAgent")
WORKERS_GO_S = 100.0  # Ray's workers look for a head that is gone for 60 s


@pytest.fixture(scope="module")
def launch(host_parts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Machines with the cluster launched on them."""
    for command in ("ssh", "sshd", "rsync"):
        require(
            shutil.which(command, path="/usr/sbin:/usr/bin:/bin"),
            f"{command} is not installed (apt-get install openssh-server openssh-client rsync)",
        )
    with Network() as network:
        launch = Launch(network, tmp_path_factory.mktemp("launch"))
        try:
            launch.ray("up", "--yes", "cluster.yaml", timeout_s=UP_TIMEOUT_S)
        except AssertionError as error:
            error.add_note(launch.logs())
            raise
        yield launch


@pytest.fixture(scope="module")
def joined(launch: Launch) -> set[str]:
    """Addresses of the nodes, once the head has started as many as are in the file."""
    launch.head.path("wait.py").write_text(WAIT_FOR_NODES)
    count = len(launch.machines)
    printed = launch.execute(f"python ~/wait.py {count} {JOIN_TIMEOUT_S}", JOIN_TIMEOUT_S + 30)
    [line] = [line for line in printed.splitlines() if line.startswith("{")]
    return set(json.loads(line))


def test_all_nodes_join(launch: Launch, joined: set[str]) -> None:
    """The head starts the workers by itself, through a firewall with the ports in the comments."""
    assert joined == {machine.address for machine in launch.machines}


def test_every_node_has_parlour_from_the_wheel(launch: Launch, joined: set[str]) -> None:
    """Installed there, and not seen in the environment that lends the rest."""
    for machine in launch.machines:
        where = machine.run(
            "parlour-venv/bin/python", "-c", "import parlour; print(parlour.__file__)"
        )
        assert "/parlour-venv/lib/" in where


def test_secrets_are_for_the_owner_alone_on_every_node(launch: Launch, joined: set[str]) -> None:
    """The token and the server's URL, which holds its password."""
    for machine in launch.machines:
        for secret in (".ray/auth_token", ".parlour/redis_url"):
            assert machine.path(secret).stat().st_mode & 0o077 == 0
            assert machine.path(secret).parent.stat().st_mode & 0o077 == 0
        shown = machine.run("sh", "-c", "cat /proc/[0-9]*/cmdline")
        assert launch.valkey.url not in shown


def test_nobody_gets_in_without_the_token(launch: Launch) -> None:
    """From a host beside the cluster, on the port that is open to it."""
    without = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    address = f"--address={launch.head.address}:{GCS_PORT}"

    printed = launch.launcher.run("ray", "status", address, environment=without, status=1)

    assert "AuthenticationError" in printed


@pytest.fixture(scope="module")
def job_server(launch: Launch, joined: set[str]) -> str:
    """The head's job server on the launcher's loopback, through `ray dashboard`."""
    command = ["sh", "-c", "cd ~/parlour && exec ray dashboard cluster.yaml"]
    tunnel = launch.launcher.spawn(*command, log="dashboard")
    probe = "import socket; socket.create_connection(('127.0.0.1', 8265), 1)"
    deadline = time.monotonic() + 30
    while "Error" in launch.launcher.run("python", "-c", probe, status=None):
        going = tunnel.poll() is None and time.monotonic() < deadline
        assert going, launch.launcher.log_tail()
    return "http://127.0.0.1:8265"


def test_a_job_is_submitted_through_the_dashboard_command(launch: Launch, job_server: str) -> None:
    """From the machine that launched, with its token."""
    program = "import ray; ray.init(); print('the job sees', len(ray.nodes()), 'nodes')"
    submit = ["ray", "job", "submit", "--address", job_server, "--", "python", "-c", program]

    printed = launch.launcher.run(*submit, environment={"RAY_AUTH_MODE": "token"})

    assert f"the job sees {len(launch.machines)} nodes" in printed


def test_the_chat_is_deployed_and_every_node_serves_it(launch: Launch, job_server: str) -> None:
    """`parlour deploy` from the machine that launched; one room, seen from each gateway."""
    chat = launch.launcher.path("parlour/chat.py")
    shutil.copy(ROOT / "examples" / "chat" / "chat.py", chat)
    deploy = ["parlour", "deploy", "parlour/chat.py", "--address", job_server]

    launch.launcher.run(*deploy, environment={"RAY_AUTH_MODE": "token"}, timeout_s=UP_TIMEOUT_S)

    for machine in launch.machines:
        answer = wait_for_answer(machine, "/parties/chat/lobby")
        assert answer == {"room": "lobby", "messages": 0}
    printed = launch.execute("parlour status --json")
    [status] = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert {node["host"] for node in status["nodes"]} == {host.address for host in launch.machines}


def wait_for_answer(machine: Host, path: str) -> object:
    """A room's answer by way of one node's gateway, which may just be coming up there."""
    deadline = time.monotonic() + JOIN_TIMEOUT_S
    url = f"http://{machine.address}:{GATEWAY_PORT}{path}"
    while True:
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_S) as answer:
                return json.load(answer)
        except OSError:  # no gateway yet, or none with the classes
            assert time.monotonic() < deadline, machine.log_tail()
            time.sleep(LOOK_AGAIN_S)


def test_ray_down_stops_every_node(launch: Launch, joined: set[str]) -> None:
    """Rooms first, then the head at once, and the workers when they have missed it for a minute.

    On workers Ray leaves helpers, which end with the `ray stop` before the next start.
    """
    launch.execute("parlour stop")
    launch.ray("down", "--yes", "cluster.yaml", timeout_s=DOWN_TIMEOUT_S)

    assert ray_processes(launch.head) == []
    deadline = time.monotonic() + WORKERS_GO_S
    while left := [one for worker in launch.machines[1:] for one in ray_processes(worker)]:
        if all(any(name in line for name in HELPERS) for line in left):
            break
        assert time.monotonic() < deadline, left
        time.sleep(LOOK_AGAIN_S)


def ray_processes(machine: Host) -> list[str]:
    """What Ray runs there."""
    lines = machine.processes().values()
    return [line for line in lines if line.startswith("ray::") or "/ray/" in line]
