"""The private server of a folder for the moment of a command."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import redis
from parlour.storage import EmbeddedServer, visiting
from parlour.storage.folder_lock import FolderLock
from parlour.storage.server_errors import NothingStored, ServerAway
from parlour.storage.visiting import visit

from ..support.killing import kill_9


def count_up(url: str) -> object:
    """Write to the server at a URL."""
    with redis.Redis.from_url(url) as client:
        return client.incr("visits")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which a server has kept data, and does not run."""
    with EmbeddedServer(tmp_path / "storage") as server:
        assert count_up(server.url) == 1
    return tmp_path / "storage"


def test_a_server_that_does_not_run_is_started_and_stopped(folder: Path) -> None:
    """With the folder's data, and what was written stays."""
    for visits in (2, 3):
        with visit(folder) as url:
            assert count_up(url) == visits
        with pytest.raises(redis.ConnectionError):
            count_up(url)


def test_a_server_that_runs_is_used_and_left_running(folder: Path) -> None:
    """Whoever has started it notices nothing."""
    with EmbeddedServer(folder) as server:
        pid = server.pid
        with visit(folder) as url:
            assert url == server.url
            assert count_up(url) == 2
        assert count_up(server.url) == 3
        assert server.pid == pid


def test_a_server_that_was_killed_is_started(folder: Path) -> None:
    """Its socket is still written down, and nobody answers there."""
    with EmbeddedServer(folder) as server:
        kill_9(server)
        server.stop()
    with visit(folder) as url:
        assert count_up(url) == 2


def test_the_last_visitor_stops_the_server(folder: Path) -> None:
    """The one who started it waits for the others, who come and go as they like."""
    leaving = threading.Event()
    inside = threading.Event()

    def first_visit() -> None:
        with visit(folder):
            inside.set()
            leaving.wait()

    first = threading.Thread(target=first_visit)
    first.start()
    inside.wait()
    with visit(folder) as url:
        leaving.set()
        assert count_up(url) == 2
        assert first.is_alive()
        assert count_up(url) == 3
    first.join()
    with pytest.raises(redis.ConnectionError):
        count_up(url)


def test_a_folder_without_data_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Looking for rooms in the wrong place makes no server there."""
    with pytest.raises(NothingStored, match="--data"), visit(tmp_path / "storage"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_holder_has_no_server_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some time for a server that is being started; it tells which process starts it."""
    monkeypatch.setattr(visiting, "STARTING_S", 0.1)
    lock = FolderLock(folder)
    assert lock.take_starter() is None
    says = f"process {os.getpid()} .* has not answered for 0.1 s"
    with pytest.raises(ServerAway, match=says), visit(folder):
        pass
    lock.release()
