"""A claim that is taken on under another name: granted only if nobody else has had the space."""

from __future__ import annotations

import pytest
from parlour.storage import FlushMissing, NotOwner, StorageReset

from .conftest import SPACE, Place


async def test_the_owner_goes_on_under_another_name(place: Place) -> None:
    """What was written before and after is there, and the old name counts no more."""
    storage = await place.open(owner="old")
    storage.put("before", 1)
    await storage.reclaim("new")
    storage.put("after", 2)
    await storage.sync()
    assert await storage.list() == {"before": 1, "after": 2}
    await place.backend.release(SPACE, owner="old", epoch=1)
    assert await (await place.open(owner="new")).list() == {"before": 1, "after": 2}


async def test_a_reclaim_waits_for_the_flush_on_the_wire(place: Place) -> None:
    """Which carries the old name and would be refused after it."""
    storage = await place.open(owner="old")
    for number in range(20):
        storage.put("number", number)
        if number % 5 == 2:
            await storage.reclaim(f"new{number}")
    await storage.sync()
    assert storage.durable == storage.gate
    assert await storage.get("number") == 19


@pytest.mark.parametrize("stays", [True, False], ids=["holds it", "has given it back"])
async def test_who_was_not_the_last_one_is_refused(place: Place, stays: bool) -> None:
    """Also where the other one is gone again: it may have said and written anything."""
    storage = await place.open(owner="old")
    storage.put("n", 1)
    await storage.sync()
    await place.backend.claim(SPACE, owner="other", address="", takeover_epoch=1)
    if not stays:
        await place.backend.release(SPACE, owner="other", epoch=2)
    with pytest.raises(NotOwner) as refused:
        await storage.reclaim("new")
    assert refused.value.last_flush == 1
    assert storage.is_undone(refused.value)
    with pytest.raises(StorageReset):
        storage.put("n", 2)


async def test_a_takeover_that_was_decided_before_comes_too_late(place: Place) -> None:
    """The epoch has grown: who saw the old lease run out has to look again."""
    storage = await place.open(owner="old")
    await storage.reclaim("new")
    with pytest.raises(Exception, match="held by 'new'"):
        await place.backend.claim(SPACE, owner="other", address="", takeover_epoch=1)
    storage.put("n", 1)
    await storage.sync()


async def test_a_reclaim_that_is_asked_again_is_granted_again(place: Place) -> None:
    """The answer may have been lost; the epoch grows once."""
    await place.backend.claim(SPACE, owner="old", address="")
    for _ in range(2):
        await place.backend.reclaim(SPACE, owner="old", epoch=1, new_owner="new")
    await place.backend.reclaim(SPACE, owner="new", epoch=2, new_owner="newer")


async def test_a_server_that_has_lost_flushes_is_noticed(place: Place) -> None:
    """As after a fail-over to a late replica; and nothing is held by the new name then."""
    storage = await place.open(owner="old")
    storage.put("n", 1)
    await storage.sync()
    storage._space.flusher.committed += 1
    with pytest.raises(FlushMissing):
        await storage.reclaim("new")
    await storage.release()
    await place.open(owner="other")


async def test_an_ended_storage_is_not_taken_on(place: Place) -> None:
    """Its error says why it ended."""
    storage = await place.open(owner="old")
    storage.abandon()
    with pytest.raises(StorageReset):
        await storage.reclaim("new")


async def test_a_refused_flush_says_whether_it_may_have_landed(place: Place) -> None:
    """It has not where the last one applied is one that its owner knows of."""
    storage = await place.open(owner="old")
    storage.put("n", 1)
    await storage.sync()
    other = await place.open(owner="other", takeover_epoch=1)
    refused: list[NotOwner] = []
    for write in (False, True):
        if write:
            other.put("n", 2)
            await other.sync()
        late = await place.backend.claim(SPACE, owner="other", address="")
        with pytest.raises(NotOwner) as error:
            await place.backend.reclaim(SPACE, owner="old", epoch=1, new_owner="new")
        refused.append(error.value)
        other = await place.open(owner="other", takeover_epoch=late.epoch)
    assert [storage.is_undone(error) for error in refused] == [True, False]
    storage.put("n", 3)
    with pytest.raises(NotOwner) as error:
        await storage.sync()
    assert not storage.is_undone(error.value)
    assert not storage.is_undone(NotOwner(SPACE, 1, 2))
