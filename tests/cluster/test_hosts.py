"""Hosts: apart from each other, joined by a network that can be cut, and gone when they end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .host import ROOT, Host
from .network import Network

PORT = 7000
CONNECT_TIMEOUT_S = 1.0
WAIT_S = 20.0
LOOK_AGAIN_S = 0.02
LISTENER = """
import socket
with socket.create_server(("0.0.0.0", 7000)) as server:
    print("listening", flush=True)
    while True:
        with server.accept()[0] as client:
            client.sendall(b"here")
"""
CONNECT = f"""
import socket, sys
try:
    client = socket.create_connection((sys.argv[1], {PORT}), {CONNECT_TIMEOUT_S})
    print(client.recv(4))
except OSError as error:
    print(type(error).__name__)
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as client:
    client.recv(99)
    client.sendall(b"two")
    client.recv(1)
"""
# Makes a network with a busy host, says whose processes those are, and waits for its end.
RUN_WITH_HOSTS = """
import sys
from tests.cluster.network import Network
with Network() as network:
    host = network.add_host("busy")
    daemon = "sleep 1000 & (setsid sleep 1000 &) ; setsid -f sleep 1000"
    host.run("sh", "-c", daemon)
    print(host.folder, host.pid, *host.processes(), flush=True)
    if sys.argv[1:] == ["fail"]:
        raise RuntimeError("a failed start")
    sys.stdin.read()
"""


@pytest.fixture
def pair(network: Network) -> tuple[Host, Host]:
    """Two hosts, a server on the second."""
    first, second = network.add_host("first"), network.add_host("second")
    listen(second)
    return first, second


def listen(host: Host) -> None:
    """Start the server of these tests; returns when it listens."""
    host.log_file("listener").unlink(missing_ok=True)
    process = host.spawn(sys.executable, "-u", "-c", LISTENER, log="listener")
    while b"listening" not in host.log_file("listener").read_bytes():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_AGAIN_S)
        assert process.poll() is None, host.log_tail()


def reaches(host: Host, address: str) -> str:
    """What a program on `host` gets from the server at `address`, or the name of its error."""
    return host.run(sys.executable, "-c", CONNECT, address).strip()


def observer_reaches(address: str) -> bool:
    """Whether the test itself does."""
    try:
        with socket.create_connection((address, PORT), CONNECT_TIMEOUT_S) as client:
            return client.recv(4) == b"here"
    except OSError:
        return False


def test_hosts_reach_each_other_and_the_test_reaches_them(pair: tuple[Host, Host]) -> None:
    """One network, each host at its address, and loopback is each one's own."""
    first, second = pair

    assert reaches(first, second.address) == "b'here'"
    assert observer_reaches(second.address)
    assert reaches(first, "127.0.0.1") == "ConnectionRefusedError"


def test_a_host_sees_no_process_and_no_file_of_another(pair: tuple[Host, Host]) -> None:
    """What ends all Ray processes that it sees ends none of another host or of the machine."""
    first, second = pair
    first.path("mine").write_text("")
    first.run("touch", "/tmp/mine", "/dev/shm/mine")

    assert "listening" not in first.run("sh", "-c", "cat /proc/[0-9]*/cmdline")
    assert "listening" in second.run("sh", "-c", "cat /proc/[0-9]*/cmdline")
    assert second.run("ls", "-A", ".", "/tmp", "/dev/shm").split() == [".:", "/dev/shm:", "/tmp:"]
    assert first.run("hostname").strip() == "first"


def test_a_host_that_is_cut_off_is_reached_by_no_other_until_it_is_mended(
    network: Network, pair: tuple[Host, Host]
) -> None:
    """Both ways, in silence, while its processes go on and the test still sees both sides."""
    first, second = pair
    listen(first)
    running = second.processes()

    network.cut_off(second)

    assert reaches(first, second.address) == "TimeoutError"
    assert reaches(second, first.address) == "TimeoutError"
    assert observer_reaches(first.address)
    assert observer_reaches(second.address)
    assert second.processes() == running
    network.mend(second)
    assert reaches(first, second.address) == "b'here'"
    assert reaches(second, first.address) == "b'here'"


def test_a_cut_can_be_before_the_test_too(network: Network, pair: tuple[Host, Host]) -> None:
    """Then nobody reaches the host until it is mended."""
    first, second = pair

    network.cut_off(second, observer_too=True)

    assert not observer_reaches(second.address)
    assert reaches(first, second.address) == "TimeoutError"
    network.mend(second)
    assert observer_reaches(second.address)


def test_a_connection_outlives_a_short_cut(network: Network, pair: tuple[Host, Host]) -> None:
    """Nothing closes it: what was sent during the cut arrives after it."""
    first, second = pair
    with socket.create_server((network.observer_address, 0)) as server:
        port = f"{server.getsockname()[1]}"
        second.spawn(sys.executable, "-c", CLIENT, network.observer_address, port, log="client")
        with server.accept()[0] as client:
            network.cut_off(second, observer_too=True)
            client.sendall(b"one")
            assert select.select([client], [], [], CONNECT_TIMEOUT_S)[0] == []
            network.mend(second)
            client.settimeout(WAIT_S)
            assert client.recv(99) == b"two"


def test_killed_processes_are_gone_and_the_host_is_not(pair: tuple[Host, Host]) -> None:
    """All of one host, daemons too, and none of another; the host can be used again."""
    first, second = pair
    second.run("sh", "-c", "setsid -f sleep 1000; sleep 1000 &")
    assert len(second.processes()) >= 3
    others = first.spawn("sleep", "1000", log="sleep")

    second.kill_processes()

    assert second.processes() == {}
    assert others.poll() is None
    assert reaches(first, second.address) == "ConnectionRefusedError"
    listen(second)
    assert reaches(first, second.address) == "b'here'"


def test_a_host_that_is_off_answers_nobody_and_can_be_switched_on_again(
    network: Network, pair: tuple[Host, Host]
) -> None:
    """It keeps its files and its address, and no process."""
    first, second = pair
    second.path("kept").write_text("kept")

    second.end()

    assert reaches(first, second.address) in ("TimeoutError", "OSError")
    network.switch_on(second)
    assert second.processes() == {}
    assert second.run("cat", "kept") == "kept"
    listen(second)
    assert reaches(first, second.address) == "b'here'"


def test_a_command_that_takes_too_long_is_ended(pair: tuple[Host, Host]) -> None:
    """With what it printed in the error, and nothing of it left on the host."""
    first, _ = pair

    with pytest.raises(AssertionError, match="took over 0.5 s on first:\nbefore"):
        first.run("sh", "-c", "echo before; sleep 1000", timeout_s=0.5)

    assert not any("sleep" in line for line in first.processes().values())


@pytest.fixture
def other_run(host_parts: None) -> Iterator[subprocess.Popen[str]]:
    """Another test run, with a host on which three daemons run."""
    program = [sys.executable, "-c", RUN_WITH_HOSTS]
    with subprocess.Popen(
        program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_run_however_it_ends(
    other_run: subprocess.Popen[str], ending: signal.Signals
) -> None:
    """By Ctrl-C or by `kill -9`; what the latter leaves on disk is removed by the next run."""
    assert other_run.stdout is not None
    folder, *pids = other_run.stdout.readline().split()
    handles = [os.pidfd_open(int(pid)) for pid in pids]
    assert len(handles) >= 4

    other_run.send_signal(ending)

    for handle in handles:
        assert select.select([handle], [], [], WAIT_S)[0], "a process outlives the run"
        os.close(handle)
    other_run.wait(WAIT_S)
    assert Path(folder).exists() == (ending is signal.SIGKILL)
    with Network():
        assert not Path(folder).exists()


def test_a_failed_start_leaves_nothing(host_parts: None) -> None:
    """No process, no folder, no interface."""
    program = [sys.executable, "-c", RUN_WITH_HOSTS, "fail"]
    failed = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    folder, *pids = failed.stdout.split()

    assert "a failed start" in failed.stderr
    assert not Path(folder).exists()
    assert not any(Path("/proc", pid).exists() for pid in pids)
    assert not Path("/sys/class/net", f"parlour{folder[-1]}").exists()
