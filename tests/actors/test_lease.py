"""The lease: held while it is renewed in time, never revived, followed by one of another name."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from parlour.actors import lease as lease_module
from parlour.actors.lease import Lease
from parlour.storage.embedded import EmbeddedServer
from parlour.storage.keys import lease_key

from ..support.killing import kill_9

WAIT_S = 10.0
LEASE_S = 0.8
RENEWAL_S = 0.5 * LEASE_S  # a busy machine is late by a tenth of a second now and then


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedServer]:
    """A server that may be stopped, and leases that are short but asked for patiently."""
    monkeypatch.setattr(lease_module, "LEASE_S", LEASE_S)
    monkeypatch.setattr(lease_module, "RENEWAL_S", RENEWAL_S)
    monkeypatch.setattr(lease_module, "COMMAND_TIMEOUT_S", WAIT_S)
    with EmbeddedServer(tmp_path) as server:
        yield server


@pytest.fixture
def lost() -> threading.Event:
    """Set when the lease is lost."""
    return threading.Event()


@pytest.fixture
def lease(server: EmbeddedServer, lost: threading.Event) -> Iterator[Lease]:
    """A lease that is held."""
    lease = Lease(server.url, "me", "an address", lost.set)
    lease.start()
    yield lease
    lease.stop()


def owners(server: EmbeddedServer) -> list[str]:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        return [str(name) for name in client.keys("*")]


def test_a_lease_outlives_its_time_by_being_renewed(
    server: EmbeddedServer, lease: Lease, lost: threading.Event
) -> None:
    """The key stays in the server as long as the process keeps it."""
    assert not lost.wait(3 * LEASE_S)
    assert lease.valid
    assert owners(server) == [lease_key("me")]


def test_an_answer_that_comes_too_late_does_not_revive_a_lease(
    server: EmbeddedServer, lease: Lease, lost: threading.Event
) -> None:
    """It was asked for in time, but others may have seen it run out before the server read that."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        assert not lost.wait(1.2 * LEASE_S)
        assert not lease.valid
    finally:
        os.kill(server.pid, signal.SIGCONT)
    while not lost.wait(0.005):
        assert not lease.valid


def test_a_server_that_is_away_is_logged_once(
    server: EmbeddedServer,
    lease: Lease,
    lost: threading.Event,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not at each of the attempts, of which many are made."""
    monkeypatch.setattr(lease_module, "RETRY_S", 0.01)
    kill_9(server)
    assert lost.wait(WAIT_S)
    lines = [record.message for record in caplog.records if record.name == lease_module.__name__]
    assert len(lines) == 1
    assert "the lease could not be renewed" in lines[0]


def test_the_next_lease_has_another_name(
    server: EmbeddedServer, lease: Lease, lost: threading.Event
) -> None:
    """Claims under the old one are free when it has run out: nobody renews it any more."""
    lease.lose()
    assert not lease.valid
    lease.start_over()
    assert not lease.valid
    assert lease.speak()
    assert lease.valid
    assert lease.owner != "me"
    assert not lost.wait(2 * LEASE_S)
    assert lease.valid
    assert owners(server) == [lease_key(lease.owner)]


def test_a_lease_that_runs_out_before_it_is_spoken_under_is_lost_too(
    server: EmbeddedServer, lease: Lease, lost: threading.Event
) -> None:
    """What was claimed under it may be somebody else's by then."""
    lease.lose()
    lease.start_over()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        assert not lost.wait(1.2 * LEASE_S)
        assert not lease.speak()
        assert not lease.valid
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_lease_that_is_given_back_is_gone_at_once(server: EmbeddedServer) -> None:
    """Nobody has to wait for it."""
    lease = Lease(server.url, "another", "an address", lambda: None)
    lease.start()
    lease.stop()
    assert not lease.valid
    assert owners(server) == []
