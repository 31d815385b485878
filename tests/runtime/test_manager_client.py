"""A gateway's line to the hibernation manager."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.messages import Hello, RoomKey
from parlour.runtime import manager_client
from parlour.runtime.manager_client import REFERRALS_MAX, CannotPlace, Managers

from ..actors.nodes import node
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
    with pytest.raises(CannotPlace, match="all are taken") as raised:
        await client.place(KEY)
    assert not raised.value.lacking
    manager.lacking = True
    with pytest.raises(CannotPlace) as raised:
        await client.place(KEY)
    assert raised.value.lacking


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


async def test_a_manager_of_another_node_is_asked_when_the_own_one_says_so(
    tmp_path: Path,
) -> None:
    """Once, over the network, with the demand not to be sent on; the next time anew."""
    here, there = node("here", parent=tmp_path), node("there", parent=tmp_path)
    own, other = Manager(Path(here.folder), here), Manager(Path(there.folder), there)
    for each in (own, other):
        await each.start()
    own.elsewhere, other.place = other.address, "/there/a.sock@10.0.0.2:7"
    client = Managers(own.address, Hello("gateway", "g1", 1), here)

    assert await client.place(KEY) == "/there/a.sock@10.0.0.2:7"
    assert (own.asked, own.only_here) == ([KEY], [False])
    assert (other.asked, other.only_here) == ([KEY], [True])

    own.elsewhere, own.place = "", "/here/a.sock"
    assert await client.place(KEY) == "/here/a.sock"
    assert (len(own.asked), len(other.asked)) == (2, 1)
    assert (len(own.links), len(other.links)) == (1, 1)

    other.error = "all are taken"
    own.elsewhere = other.address
    with pytest.raises(CannotPlace, match="all are taken"):
        await client.place(KEY)
    client.close()
    for each in (own, other):
        each.close()


async def test_managers_that_send_to_each_other_keep_nobody_running(manager: Manager) -> None:
    """What the last of a few says is the last word: there is no place now."""
    manager.elsewhere = manager.address
    client = Managers(manager.address, Hello("gateway", "g1", 1))
    with pytest.raises(CannotPlace, match="has no place"):
        await client.place(KEY)
    assert manager.only_here == [False] + [True] * REFERRALS_MAX
    client.close()


async def test_an_answer_without_a_place_is_none(manager: Manager, client: Managers) -> None:
    """Nobody listens at an empty address."""
    manager.place = ""
    with pytest.raises(CannotPlace, match="has no place"):
        await client.place(KEY)


async def test_another_manager_that_is_gone_is_said(tmp_path: Path) -> None:
    """Its node may have been cut off: whoever asks tries again."""
    here = node("here", parent=tmp_path)
    manager = Manager(Path(here.folder))
    await manager.start()
    manager.elsewhere = "/nowhere/there/manager.sock@127.0.0.1:1"
    client = Managers(manager.address, Hello("gateway", "g1", 1), here)
    with pytest.raises(CannotPlace, match="does not answer"):
        await client.place(KEY)
    assert manager.asked == [KEY]
    client.close()
    manager.close()
