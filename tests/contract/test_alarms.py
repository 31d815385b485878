"""Named alarms of a space, and the index that tells which spaces are due."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest
from parlour.storage import Alarm, AlarmSource, NotOwner, OwnedStorage
from parlour.storage.alarms import AT_MS_MAX, UNNAMED, running
from parlour.storage.large_names import PIECES_MAX

from .conftest import SPACE, Place

SOON_MS, LATER_MS = 1_000_000, 2_000_000


async def due(place: Place, now_ms: int) -> list[str]:
    """Ask what is due, and leave it due."""
    source: AlarmSource = place.backend  # type: ignore[assignment]
    return await source.take_due(now_ms, until_ms=0, count_max=100)


async def test_named_alarms_are_kept_with_their_notes(place: Place, storage: OwnedStorage) -> None:
    """Any number of them, beside the unnamed one."""
    names = [f"name {number} \u00fc" for number in range(PIECES_MAX)]
    for number, name in enumerate(names):
        storage.change_alarm(name, Alarm(SOON_MS + number, f"note {number}"))
    storage.set_alarm(LATER_MS / 1000)
    storage = await place.reopen(storage)
    expected = {name: Alarm(SOON_MS + n, f"note {n}") for n, name in enumerate(names)}
    assert storage.named_alarms() == {**expected, UNNAMED: Alarm(LATER_MS)}

    for name in names[1:]:
        storage.delete_named_alarm(name)
    storage = await place.reopen(storage)
    assert storage.named_alarms() == {
        names[0]: Alarm(SOON_MS, "note 0"),
        UNNAMED: Alarm(LATER_MS),
    }


async def test_alarms_are_no_keys(storage: OwnedStorage) -> None:
    """No list shows them, and they do not count."""
    storage.put("a", 1)
    size = await storage.size()
    storage.change_alarm("name", Alarm(SOON_MS))
    assert await storage.list() == {"a": 1}
    assert await storage.keys() == ["a"]
    assert await storage.size() == size


async def test_delete_all_deletes_every_alarm(place: Place, storage: OwnedStorage) -> None:
    """And what is set after it stays, also in one flush."""
    storage.change_alarm("before", Alarm(SOON_MS))
    await storage.sync()
    storage.change_alarm("meanwhile", Alarm(SOON_MS))
    storage.delete_all()
    assert storage.named_alarms() == {}
    storage.change_alarm("after", Alarm(LATER_MS))
    storage = await place.reopen(storage)
    assert storage.named_alarms() == {"after": Alarm(LATER_MS)}
    assert await due(place, LATER_MS - 1) == []
    async with storage.transaction() as txn:
        storage.change_alarm("before", Alarm(SOON_MS))
        txn.delete_all()
        assert storage.named_alarms() == {}
        storage.change_alarm("new", Alarm(SOON_MS))
    storage = await place.reopen(storage)
    assert storage.named_alarms() == {"new": Alarm(SOON_MS)}


async def test_deleting_an_alarm_deletes_the_one_that_is_being_run(storage: OwnedStorage) -> None:
    """So its handler can see to it that it is not tried again."""
    for name in (UNNAMED, "name"):
        storage.change_alarm(running(name), Alarm(SOON_MS))
    storage.delete_alarm()
    assert storage.named_alarms() == {running("name"): Alarm(SOON_MS)}
    storage.delete_named_alarm("name")
    assert storage.named_alarms() == {}


async def test_a_rollback_undoes_alarms_too(place: Place, storage: OwnedStorage) -> None:
    """A transaction sees its own; outside they show at its end, nested ones included."""
    storage.change_alarm("old", Alarm(SOON_MS))
    async with storage.transaction() as txn:
        storage.change_alarm("new", Alarm(LATER_MS))
        storage.delete_named_alarm("old")
        assert storage.named_alarms() == {"new": Alarm(LATER_MS)}
        txn.rollback()
    assert storage.named_alarms() == {"old": Alarm(SOON_MS)}
    async with storage.transaction() as txn:
        txn.put("a", 1)
        async with txn.transaction() as inner:
            storage.change_alarm("inner", Alarm(LATER_MS))
            inner.rollback()
        async with txn.transaction() as inner:
            storage.change_alarm("new", Alarm(LATER_MS))
        storage.delete_named_alarm("old")
    storage = await place.reopen(storage)
    assert storage.named_alarms() == {"new": Alarm(LATER_MS)}


async def test_who_wants_to_know_is_told_of_changes(place: Place) -> None:
    """Of those in a transaction at its end, and of none that was undone."""
    told: list[int] = []
    storage = await place.open(on_alarms=lambda: told.append(1))
    storage.change_alarm("name", Alarm(SOON_MS))
    assert len(told) == 1
    async with storage.transaction() as txn:
        storage.change_alarm("name", None)
        assert len(told) == 1
    assert len(told) == 2
    async with storage.transaction() as txn:
        storage.change_alarm("name", Alarm(SOON_MS))
        txn.rollback()
    assert len(told) == 2


async def test_alarms_are_in_the_flush_of_what_is_written_with_them(
    place: Place, storage: OwnedStorage
) -> None:
    """An owner that was overtaken has stored neither."""
    await place.open(owner="other", takeover_epoch=1)
    storage.put("a", 1)
    storage.change_alarm("name", Alarm(SOON_MS))
    with pytest.raises(NotOwner):
        await storage.sync()
    winner = await place.open(owner="other")
    assert winner.named_alarms() == {}
    assert await winner.get("a") is None


async def test_the_first_alarm_is_in_the_index_once_it_is_durable(
    place: Place, storage: OwnedStorage
) -> None:
    """And moves with the truth: earlier, later, away."""
    storage.change_alarm("first", Alarm(SOON_MS))
    storage.change_alarm("second", Alarm(LATER_MS))
    await storage.sync()
    assert await due(place, SOON_MS - 1) == []
    assert await due(place, SOON_MS) == [SPACE]

    storage.change_alarm("first", Alarm(SOON_MS - 10))
    await storage.sync()
    assert await due(place, SOON_MS - 10) == [SPACE]

    storage.delete_named_alarm("first")
    await storage.sync()
    assert await due(place, LATER_MS - 1) == []
    assert await due(place, LATER_MS) == [SPACE]

    storage.delete_named_alarm("second")
    await storage.sync()
    assert await due(place, AT_MS_MAX) == []


async def test_a_space_that_was_taken_is_due_again_later(
    place: Place, storage: OwnedStorage
) -> None:
    """Unless it says something else meanwhile; so nothing is lost with who took it."""
    source: AlarmSource = place.backend  # type: ignore[assignment]
    storage.set_alarm(SOON_MS / 1000)
    await storage.sync()
    assert await source.take_due(SOON_MS, until_ms=SOON_MS + 100, count_max=1) == [SPACE]
    assert await source.take_due(SOON_MS + 99, until_ms=SOON_MS + 199, count_max=1) == []
    assert await source.take_due(SOON_MS + 100, until_ms=SOON_MS + 200, count_max=1) == [SPACE]

    storage.set_alarm((SOON_MS + 110) / 1000)
    await storage.sync()
    assert await source.take_due(SOON_MS + 110, until_ms=SOON_MS + 200, count_max=1) == [SPACE]

    storage.show_alarm()
    await storage.sync()
    assert await source.take_due(SOON_MS + 110, until_ms=SOON_MS + 200, count_max=1) == [SPACE]

    await source.put_off(SPACE, SOON_MS + 300)
    assert await source.take_due(SOON_MS + 299, until_ms=SOON_MS + 300, count_max=1) == []
    assert await source.take_due(SOON_MS + 300, until_ms=SOON_MS + 400, count_max=1) == [SPACE]


async def test_many_spaces_are_taken_a_few_at_a_time(place: Place) -> None:
    """Each by one of those who take at the same time, until all are taken."""
    source: AlarmSource = place.backend  # type: ignore[assignment]
    spaces = [f"chat/{number}" for number in range(200)]
    for space in spaces:
        claim = await place.backend.claim(space, owner="owner", address="")
        storage = OwnedStorage(place.backend, claim)
        storage.set_alarm(SOON_MS / 1000)
        await storage.close()
    taken: list[str] = []
    while batch := await asyncio.gather(
        *(source.take_due(SOON_MS, until_ms=LATER_MS, count_max=16) for _ in range(3))
    ):
        assert all(len(part) <= 16 for part in batch)
        taken += [space for part in batch for space in part]
        if not any(batch):
            break
    assert sorted(taken) == sorted(spaces)


@pytest.mark.parametrize("when", [float("inf"), 1e12, datetime(1900, 1, 1, tzinfo=UTC)], ids=str)
async def test_an_alarm_has_a_time_that_can_be_told(storage: OwnedStorage, when: float) -> None:
    """Whatever is set can be read."""
    with pytest.raises(ValueError, match="before 10000"):
        storage.set_alarm(when)
    storage.set_alarm(datetime(9999, 12, 31, 23, tzinfo=UTC))
    assert await storage.get_alarm() == datetime(9999, 12, 31, 23, tzinfo=UTC)


async def test_alarms_that_are_set_do_not_wait(storage: OwnedStorage) -> None:
    """A room may set one in a plain function."""
    storage.set_alarm(time.time() + 60)
    storage.change_alarm("name", Alarm(SOON_MS), allow_unconfirmed=True)
    assert set(storage.named_alarms()) == {UNNAMED, "name"}
