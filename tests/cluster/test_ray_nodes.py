"""Ray nodes on hosts: one cluster, closed to who has not the token, whose nodes come and go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import Cluster
from .host import Host

pytestmark = pytest.mark.timeout(180)  # the first of them starts the cluster

WAIT_S = 60.0
COUNT_NODES = "import ray; ray.init(); print('the job sees', len(ray.nodes()), 'nodes')"
ASK_SERVER = """
import sys
import redis
try:
    redis.Redis.from_url(sys.argv[1]).ping()
    print("answers")
except redis.AuthenticationError:
    print("wants a password")
"""
TASK_ON_NODE = """
import sys
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
ray.init(address="auto", logging_level="error")
where = NodeAffinitySchedulingStrategy(sys.argv[1], soft=False)
hostname = ray.remote(lambda: __import__("socket").gethostname())
print(ray.get(hostname.options(scheduling_strategy=where, num_cpus=0).remote(), timeout=40))
"""


@pytest.fixture
def fourth(cluster: Cluster) -> Iterator[Host]:
    """A host with a Ray node that a test may break."""
    host = cluster.network.add_host(f"node-{len(cluster.network.hosts)}")
    cluster.nodes.start(host)
    yield host
    cluster.nodes.power_off(host)


def submit(cluster: Cluster, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`ray job submit` from the test's side, as from the machine of somebody who deploys."""
    submit = [sys.executable, "-m", "ray.scripts.scripts", "job", "submit", "--address"]
    return subprocess.run(
        [*submit, cluster.nodes.dashboard_url, "--", *command],
        env=cluster.nodes.outside_environment | environment,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def test_every_node_sees_all_three(cluster: Cluster) -> None:
    """A driver on each host finds the same nodes, at the hosts' own addresses."""
    hosts = cluster.nodes.hosts

    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(lambda host: cluster.nodes.alive(3, host), hosts))

    assert seen[0].keys() == {host.address for host in hosts}
    assert seen == [seen[0]] * 3


def test_the_server_answers_from_every_host_with_its_password_alone(cluster: Cluster) -> None:
    """All hosts reach the rooms' server, and none without the password."""
    without = f"redis://{cluster.valkey.host.address}"

    for host in cluster.nodes.hosts:
        ask = (sys.executable, "-c", ASK_SERVER)
        assert host.run(*ask, cluster.valkey.url).strip() == "answers"
        assert host.run(*ask, without).strip() == "wants a password"


def test_a_killed_server_comes_back_with_its_data(cluster: Cluster) -> None:
    """`kill -9` loses nothing that it had acknowledged."""
    host = cluster.nodes.head
    client = "import sys, redis; print(redis.Redis.from_url(sys.argv[1]).{})"
    host.run(sys.executable, "-c", client.format("set('kept', 'yes')"), cluster.valkey.url)

    cluster.valkey.kill()
    cluster.valkey.start()

    kept = client.format("getdel('kept')")
    assert host.run(sys.executable, "-c", kept, cluster.valkey.url).strip() == "b'yes'"


def test_a_job_runs_that_is_submitted_from_outside(cluster: Cluster) -> None:
    """With the token; its output comes back."""
    done = submit(cluster, "python", "-c", COUNT_NODES)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "the job sees 3 nodes" in done.stdout


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_no_job_runs_without_the_token(cluster: Cluster, token: str) -> None:
    """Neither without one nor with another."""
    done = submit(cluster, "echo", "let", "in", RAY_AUTH_TOKEN=token, HOME="/nonexistent")

    assert done.returncode != 0
    assert "token" in (done.stdout + done.stderr).lower()
    assert "submitted successfully" not in done.stdout


def test_nobody_gets_in_on_a_node_without_the_token(cluster: Cluster) -> None:
    """Ray's own ports ask for it too."""
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}

    printed = cluster.nodes.hosts[1].run("ray", "status", environment=settings, status=1)

    assert "AuthenticationError" in printed


def test_a_node_that_is_cut_off_works_again_when_it_is_mended(cluster: Cluster) -> None:
    """A cut shorter than Ray's patience costs no node; during it the head's port is silent."""
    host = cluster.nodes.hosts[2]
    node_id = cluster.nodes.alive(3)[host.address]
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 6380), 1)"
    running = host.processes()

    cluster.network.cut_off(host)

    try:
        head = cluster.nodes.head.address
        assert "TimeoutError" in host.run(sys.executable, "-c", connect, head, status=1)
        assert host.processes().keys() >= running.keys()
    finally:
        cluster.network.mend(host)
    task = ("python", "-c", TASK_ON_NODE, node_id)
    assert cluster.nodes.run(cluster.nodes.head, *task).split()[-1] == host.name


def test_a_node_can_join_and_be_stopped(cluster: Cluster, fourth: Host) -> None:
    """The others see it come and go; `ray stop` leaves no process on it and touches no other."""
    others = {host.name: set(host.processes()) for host in cluster.nodes.hosts if host != fourth}
    assert fourth.address in cluster.nodes.alive(4)

    cluster.nodes.stop(fourth)

    assert fourth.processes() == {}
    assert fourth.address not in cluster.nodes.alive(3)
    assert others == {
        host.name: set(host.processes()) & others[host.name] for host in cluster.nodes.hosts
    }


def test_a_killed_node_leaves_no_process_and_may_come_back(cluster: Cluster, fourth: Host) -> None:
    """All of its processes at once; Ray notices, and a new node on that host is let in."""
    before = cluster.nodes.alive(4)[fourth.address]

    cluster.nodes.kill(fourth)

    assert fourth.processes() == {}
    assert len(cluster.nodes.alive(3)) == 3
    cluster.nodes.start(fourth)
    assert cluster.nodes.alive(4)[fourth.address] != before
