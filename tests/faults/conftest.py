"""A Parlour and a server to break: nobody else's, so that no other test suffers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from parlour.storage.embedded import EmbeddedServer

from ..support.running import RunningParlour, processes_of_session

ROOMS = Path(__file__).with_name("rooms.py")


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A Valkey that may be killed: it answers again where it did once it is started again."""
    with EmbeddedServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def own_parlour(
    tmp_path_factory: pytest.TempPathFactory, own_server: EmbeddedServer
) -> Iterator[RunningParlour]:
    """A running Parlour with the rooms of these tests."""
    folder = tmp_path_factory.mktemp("app")
    shutil.copy(ROOMS, folder / "ledger.py")
    running = RunningParlour(folder / "ledger.py", folder / "data", "--redis", own_server.url)
    running.start()
    yield running
    (folder / "log").write_text("".join(running.output))
    print(f"the log of this Parlour: {folder / 'log'}")
    assert running.stop() == 0
    assert processes_of_session(running.session) == []
