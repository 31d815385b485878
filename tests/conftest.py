"""Servers for the tests: one private Valkey a session, emptied for each test that asks for it; one
running Parlour a session."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from parlour.storage.embedded import EmbeddedServer

from .support.one_parlour import admin_port as admin_port
from .support.one_parlour import http as http
from .support.one_parlour import parlour as parlour
from .support.one_parlour import pytest_runtest_makereport as pytest_runtest_makereport
from .support.one_parlour import server as server
from .support.one_parlour import valkey_of_parlour as valkey_of_parlour
from .support.redis_cluster import RedisCluster
from .support.redis_process import RedisProcess
from .support.requirements import require

# Folders whose tests share a running Parlour, or wait for one most of the time: each folder is one
# worker's where a session has several, and they begin with these.
WHOLE_FOLDERS = ("system", "clients", "faults")
ONE_PARLOUR = ("system", "clients")  # share the fixture `parlour`


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal the tests out over processes (`make test`): by file, and some folders whole.

    Not by marks (`--dist loadgroup`): pytest 9.2 does not show the groups that xdist 3.8 notes.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByFolder(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the whole folders where tests are dealt out."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _rank(item.nodeid))


def _group(nodeid: str) -> str:
    folder = _folder(nodeid)
    if folder in ONE_PARLOUR:
        return "one parlour"
    return folder if folder in WHOLE_FOLDERS else nodeid.partition("::")[0]


def _rank(nodeid: str) -> int:
    folder = _folder(nodeid)
    return WHOLE_FOLDERS.index(folder) if folder in WHOLE_FOLDERS else len(WHOLE_FOLDERS)


def _folder(nodeid: str) -> str:
    parts = nodeid.split("/")
    return parts[1] if parts[0] == "tests" else ""


@pytest.fixture
def seed() -> str:
    """Of what is random in a test. One that failed is run again with PARLOUR_SEED=<its seed>."""
    seed = os.environ.get("PARLOUR_SEED") or f"{random.SystemRandom().randrange(10**9)}"
    print(f"PARLOUR_SEED={seed}")
    return seed


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A running private Valkey, shared by the session: leave it running and as it was."""
    with EmbeddedServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey_url(valkey: EmbeddedServer) -> str:
    """The URL of the session's Valkey with nothing in it."""
    _empty(valkey.url)
    return valkey.url


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A running Redis from Debian's package, shared by the session."""
    program = shutil.which("redis-server")
    require(program, "redis-server is not installed (apt-get install redis-server)")
    folder = tmp_path_factory.mktemp("redis")
    arguments = ("--appendonly", "yes", "--appendfsync", "always")
    with RedisProcess(Path(str(program)), folder, *arguments) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisProcess) -> str:
    """The URL of the session's Redis with nothing in it."""
    _empty(redis_server.url)
    return redis_server.url


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A running Redis Cluster of three primaries, shared by the session."""
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster_url(redis_cluster: RedisCluster) -> str:
    """The URL of the session's cluster with nothing in it."""
    for node in redis_cluster.nodes:
        _empty(f"redis://127.0.0.1:{node.port}")
    return redis_cluster.url


def _empty(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.flushall()
        client.script_flush()
