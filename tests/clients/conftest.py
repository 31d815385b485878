"""The clients that people have, from the npm registry and unchanged, under Node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.running import RunningParlour

from .node_client import NodeClient
from .packages import installed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run beside the system tests: until the first of both, no Parlour runs."""
    here, system = Path(__file__).parent, Path(__file__).parents[1] / "system"
    own = [item for item in items if here in item.path.parents]
    others = [item for item in items if here not in item.path.parents]
    places = [place for place, item in enumerate(others) if system in item.path.parents]
    place = places[0] if places else len(others)
    items[:] = [*others[:place], *own, *others[place:]]


@pytest.fixture(scope="session")
def packages() -> Path:
    """A folder with the pinned packages and the sources beside this file."""
    return installed()


@pytest.fixture
async def node(packages: Path, parlour: RunningParlour) -> AsyncIterator[NodeClient]:
    """A Node program in which partysocket runs."""
    async with NodeClient(packages / "driver.js", f"127.0.0.1:{parlour.port}") as client:
        yield client
