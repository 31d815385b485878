"""A gateway's line to the hibernation manager."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.messages import Hello, RoomKey
from parlour.runtime import manager_client
from parlour.runtime.manager_client import CannotPlace, Managers

from .peers import Manager

KEY = RoomKey("chat", "lobby")


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """A manager with a place to give."""
    manager = Manager(tmp_path)
    manager.place = "/run/a.sock"
    await manager.start()
    yield manager
    manager.close()


@pytest.fixture
async def client(manager: Manager) -> AsyncIterator[Managers]:
    """A line to it, which is opened by the first question."""
    client = Managers(manager.address, Hello("gateway", "g1", 1))
    yield client
    client.close()


async def test_questions_are_answered_over_one_line(manager: Manager, client: Managers) -> None:
    """Also when many are asked at once before it is open."""
    keys = [RoomKey("chat", str(number)) for number in range(50)]
    places = await asyncio.gather(*(client.place(key) for key in keys))
    assert places == ["/run/a.sock"] * 50
    assert manager.asked == keys
    assert len(manager.links) == 1


async def test_a_manager_without_a_place_says_why(manager: Manager, client: Managers) -> None:
    """In its own words."""
    manager.error = "all are taken"
    with pytest.raises(CannotPlace, match="all are taken"):
        await client.place(KEY)


async def test_a_manager_that_is_gone_is_said_to_all_who_wait(
    manager: Manager, client: Managers
) -> None:
    """And asked again over a new line."""
    manager.silent = True
    asked = [asyncio.ensure_future(client.place(KEY)) for _ in range(3)]
    await manager.was_asked(3)
    for link in list(manager.links):
        link.abort()
    for answer in asked:
        with pytest.raises(CannotPlace, match="does not answer"):
            await answer
    manager.silent = False
    assert await client.place(KEY) == "/run/a.sock"


async def test_nobody_there_is_said(tmp_path: Path) -> None:
    """No socket at all."""
    client = Managers(str(tmp_path / "none"), Hello("gateway", "g1", 1))
    with pytest.raises(CannotPlace, match="does not answer"):
        await client.place(KEY)


async def test_a_manager_that_never_answers_is_not_waited_for_for_ever(
    manager: Manager, client: Managers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit has a name; a late answer is nobody's."""
    monkeypatch.setattr(manager_client, "ANSWER_TIMEOUT_S", 0.02)
    manager.silent = True
    with pytest.raises(CannotPlace, match="does not answer"):
        await client.place(KEY)
    manager.silent = False
    assert await client.place(KEY) == "/run/a.sock"
