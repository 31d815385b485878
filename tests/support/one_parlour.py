"""One Parlour for all tests that talk to a running one: a Ray cluster takes long to start.

Fixtures, which tests/conftest.py shares out.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import aiohttp
import pytest
import redis
from parlour.storage.embedded import EmbeddedServer

from tests.support.running import RunningParlour, free_port, processes_of_session

SYSTEM = Path(__file__).parents[1] / "system"
ROOMS = SYSTEM / "rooms.py"
EDGE_ROOMS = SYSTEM / "edge_rooms.py"
OUTPUT_LINES_SHOWN = 60
CHAT = Path(__file__).parents[2] / "examples" / "chat"


@pytest.fixture(scope="session")
def valkey_of_parlour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of its own: a running Parlour acts on alarms, whoever has put them there."""
    with EmbeddedServer(tmp_path_factory.mktemp("valkey-of-system")) as server:
        yield server


@pytest.fixture(scope="session")
def admin_port() -> int:
    """Where the running Parlour serves its metrics."""
    return free_port()


@pytest.fixture(scope="session")
def parlour(
    tmp_path_factory: pytest.TempPathFactory, valkey_of_parlour: EmbeddedServer, admin_port: int
) -> Iterator[RunningParlour]:
    """A running Parlour with the test rooms and the chat, over the session's Valkey."""
    folder = tmp_path_factory.mktemp("app")
    shutil.copy(ROOMS, folder / "rooms.py")
    shutil.copy(CHAT / "chat.py", folder / "chat.py")
    shutil.copytree(CHAT / "public", folder / "public")
    shutil.copy(EDGE_ROOMS, folder / "edge_rooms.py")
    lines = ("from chat import Chat", "from edge_rooms import Main", "from rooms import *")
    (folder / "app.py").write_text("\n".join(lines) + "\n")
    running = RunningParlour(
        folder / "app.py",
        folder / "data",
        "--redis",
        valkey_of_parlour.url,
        "--admin-port",
        str(admin_port),
    )
    running.start()
    yield running
    assert running.stop() == 0
    assert processes_of_session(running.session) == []


@pytest.fixture(scope="session")
def server(valkey_of_parlour: EmbeddedServer) -> Iterator[redis.Redis]:
    """A look into the server that the running Parlour uses."""
    with redis.Redis.from_url(valkey_of_parlour.url, decode_responses=True) as client:
        yield client


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP and WebSocket client; a test that hangs fails instead."""
    timeout = aiohttp.ClientTimeout(total=30)
    connector = aiohttp.TCPConnector(limit=0)  # the default of 100 is below what tests open
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield session


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what Parlour said last when a test that uses it fails."""
    report = yield
    running = getattr(item, "funcargs", {}).get("parlour")
    if report.failed and isinstance(running, RunningParlour):
        report.sections.append(("output of Parlour", "".join(running.output[-OUTPUT_LINES_SHOWN:])))
    return report
