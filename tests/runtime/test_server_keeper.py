"""The private server is started again where it ends, and given up where it cannot be started."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from parlour.runtime import server_keeper
from parlour.runtime.server_keeper import FAILURES_MAX, STEADY_S, ServerKeeper
from parlour.storage.embedded import EmbeddedServer

from ..support.killing import wait_for_end

WAIT_S = 20.0
PAUSE_S_MIN = 0.004
PAUSE_S_MAX = 0.02


class Kept:
    """A server that is watched, and what is said of it."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedServer(folder)
        self.said: queue.Queue[str] = queue.Queue()
        self.given_up: queue.Queue[str] = queue.Queue()
        self.now_s = 0.0
        self.keeper = ServerKeeper(
            self.server, self.said.put, self.given_up.put, lambda: self.now_s
        )

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

    def spoil(self) -> Path:
        """Let no server start any more, until what is returned is back in its place."""
        log = self.server.folder / "appendonlydir"
        aside = self.server.folder / "aside"
        log.rename(aside)
        log.write_text("no folder")
        return aside

    def mend(self, aside: Path) -> None:
        """Undo `spoil`."""
        log = self.server.folder / "appendonlydir"
        log.unlink()
        aside.rename(log)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """A server that runs and is watched."""
    monkeypatch.setattr(server_keeper, "LOOK_S", 0.005)
    monkeypatch.setattr(server_keeper, "PAUSE_S_MIN", PAUSE_S_MIN)
    monkeypatch.setattr(server_keeper, "PAUSE_S_MAX", PAUSE_S_MAX)
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
    kept.wait_for("has ended and is started again now")
    kept.wait_for("answers again")
    assert kept.server.url == url
    with redis.Redis.from_url(url) as client:
        assert client.get("k") == b"v"


def test_a_server_that_does_not_stay_up_is_started_with_growing_pauses(kept: Kept) -> None:
    """Up to a limit, however often it ends, and each end and each start is one line."""
    for pause in ("now", "in 0.004 s", "in 0.008 s", "in 0.016 s", "in 0.02 s", "in 0.02 s"):
        kept.kill()
        assert ("valkey.log" in kept.wait_for(f"is started again {pause}")) == (pause != "now")
        kept.wait_for("answers again")
    assert kept.server.pid is not None
    assert kept.said.empty()
    assert kept.given_up.empty()


def test_a_server_that_was_up_for_long_is_started_again_at_once(kept: Kept) -> None:
    """A server may be killed now and then."""
    for _ in range(3):
        kept.now_s += STEADY_S
        kept.kill()
        kept.wait_for("is started again now")
        kept.wait_for("answers again")


def test_a_start_that_fails_is_tried_again_and_said_once(kept: Kept) -> None:
    """Its own words are passed on."""
    aside = kept.spoil()
    kept.kill()
    kept.wait_for("is started again now")
    assert "its last words" in kept.wait_for("did not start, and is tried again")
    kept.mend(aside)
    kept.wait_for("answers again")
    assert kept.server.pid is not None


def test_a_server_that_cannot_be_started_is_given_up(kept: Kept) -> None:
    """After some attempts in a row, of which one line each would say the same; in one sentence."""
    kept.spoil()
    kept.kill()
    sentence = kept.given_up.get(timeout=WAIT_S)
    assert f"did not start {FAILURES_MAX} times in a row" in sentence
    assert "it ended with status 1 while it started); see" in sentence
    assert "valkey.log, mend what it names" in sentence
    assert "\n" not in sentence
    kept.wait_for("is started again now")
    kept.wait_for("did not start, and is tried again")
    assert kept.said.empty()
    assert kept.server.pid is None


def test_a_folder_that_a_command_has_is_waited_for(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no failure, as the command ends; the server is there again afterwards."""
    monkeypatch.setattr(server_keeper, "FAILURES_MAX", 1)
    visitor = EmbeddedServer(kept.server.folder)
    kept.keeper.stop()
    kept.server.stop()
    visitor.start()
    again = ServerKeeper(kept.server, kept.said.put, kept.given_up.put)
    again.start()
    kept.wait_for("is started again now")
    kept.wait_for("is in use")
    visitor.stop()
    kept.wait_for("answers again")
    again.stop()
    assert kept.given_up.empty()


def test_a_server_that_is_stopped_in_order_stays_stopped(tmp_path: Path) -> None:
    """Whoever stops it ends the watching first."""
    kept = Kept(tmp_path)
    kept.server.start()
    kept.keeper.start()
    kept.keeper.stop()
    kept.server.stop()
    assert kept.said.empty()
    assert kept.server.pid is None
