"""The private server is started again where it ends, and given up where it does not stay up."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from parlour.runtime import server_keeper
from parlour.runtime.server_keeper import STARTS_MAX, ServerKeeper
from parlour.storage.embedded import EmbeddedServer

from ..support.killing import wait_for_end

WAIT_S = 20.0


class Kept:
    """A server that is watched, and what is said of it."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedServer(folder)
        self.said: queue.Queue[str] = queue.Queue()
        self.now_s = 0.0
        self.keeper = ServerKeeper(self.server, self.said.put, lambda: self.now_s)

    def kill(self) -> None:
        """`kill -9`; returns when that process is gone, and maybe the next one there."""
        pid = self.server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert wait_for_end(pid)

    def wait_for(self, part: str) -> str:
        """The next sentence, which has to be this one."""
        sentence = self.said.get(timeout=WAIT_S)
        assert part in sentence, sentence
        return sentence


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """A server that runs and is watched."""
    monkeypatch.setattr(server_keeper, "LOOK_S", 0.005)
    monkeypatch.setattr(server_keeper, "PAUSE_S", 0.005)
    kept = Kept(tmp_path / "data")
    kept.server.start()
    kept.keeper.start()
    yield kept
    kept.keeper.stop()
    kept.server.stop()


def test_a_server_that_is_killed_is_there_again_where_it_was(kept: Kept) -> None:
    """With what it had acknowledged, and both is said."""
    url = kept.server.url
    with redis.Redis.from_url(url) as client:
        client.set("k", "v")
    kept.kill()
    kept.wait_for("has ended and is started again")
    kept.wait_for("answers again")
    assert kept.server.url == url
    with redis.Redis.from_url(url) as client:
        assert client.get("k") == b"v"


def test_a_server_that_does_not_stay_up_is_given_up(kept: Kept) -> None:
    """After some starts in a minute; who reads it is told where to look."""
    for _ in range(STARTS_MAX):
        kept.kill()
        kept.wait_for("is started again")
        kept.wait_for("answers again")
    kept.kill()
    assert "valkey.log" in kept.wait_for("is not started again")
    assert kept.server.pid is None


def test_starts_long_ago_do_not_count(kept: Kept) -> None:
    """A server may be killed now and then."""
    for _ in range(STARTS_MAX + 1):
        kept.now_s += server_keeper.STARTS_WITHIN_S / STARTS_MAX
        kept.kill()
        kept.wait_for("is started again")
        kept.wait_for("answers again")


def test_a_start_that_fails_is_tried_again(kept: Kept) -> None:
    """Its own words are passed on."""
    log = kept.server.folder / "appendonlydir"
    aside = kept.server.folder / "aside"
    log.rename(aside)
    log.write_text("no folder")
    kept.kill()
    kept.wait_for("is started again")
    kept.wait_for("did not start")
    log.unlink()
    aside.rename(log)
    while "answers again" not in kept.said.get(timeout=WAIT_S):
        pass
    assert kept.server.pid is not None


def test_a_server_that_is_stopped_in_order_stays_stopped(tmp_path: Path) -> None:
    """Whoever stops it ends the watching first."""
    kept = Kept(tmp_path)
    kept.server.start()
    kept.keeper.start()
    kept.keeper.stop()
    kept.server.stop()
    assert kept.said.empty()
    assert kept.server.pid is None
