"""The rows of "Alarms": a test for each, named after it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from parlour.testing import Rooms, RoomUnderTest

from parlour import AlarmInfo, Connection, Room


class Alarmed(Room):
    """Notes its alarms; fails as often as it is told to."""

    notes: list[Any] = []
    failures = 0

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.storage.set_alarm(time.time() + float(message))

    async def on_alarm(self, info: AlarmInfo) -> None:
        self.notes.append((info, await self.storage.get_alarm()))
        if Alarmed.failures:
            Alarmed.failures -= 1
            raise RuntimeError("as told")


@pytest.fixture
async def lobby(rooms: Rooms) -> RoomUnderTest[Alarmed]:
    """A room whose class is fresh."""
    Alarmed.notes, Alarmed.failures = [], 0
    lobby = rooms.room(Alarmed)
    await lobby.wake()
    return lobby


@pytest.mark.parity("one alarm per room")
async def test_one_alarm_per_room(rooms: Rooms, lobby: RoomUnderTest[Alarmed]) -> None:
    """The newer replaces the older; one in the past is due now; what is no time is refused."""
    storage = lobby.instance.storage
    storage.set_alarm(rooms.now + 60)
    storage.set_alarm(datetime.now(UTC) + timedelta(seconds=120))
    await rooms.advance(100)
    assert Alarmed.notes == []
    await rooms.advance(21)
    assert len(Alarmed.notes) == 1

    await lobby.wake()
    lobby.instance.storage.set_alarm(rooms.now - 1000)
    await rooms.advance(0)
    assert len(Alarmed.notes) == 2
    with pytest.raises(ValueError, match="1970"):
        lobby.instance.storage.set_alarm(0)


@pytest.mark.parity("getAlarm")
async def test_get_alarm(rooms: Rooms, lobby: RoomUnderTest[Alarmed]) -> None:
    """When it is due; None without one, and while it is being run."""
    storage = lobby.instance.storage
    assert await storage.get_alarm() is None
    storage.set_alarm(datetime(2100, 1, 1, tzinfo=UTC))
    assert await storage.get_alarm() == datetime(2100, 1, 1, tzinfo=UTC)

    storage.set_alarm(rooms.now + 1)
    await rooms.advance(2)

    [(_, during)] = Alarmed.notes
    assert during is None


@pytest.mark.parity("deleteAlarm")
async def test_delete_alarm(rooms: Rooms, lobby: RoomUnderTest[Alarmed]) -> None:
    """It does not fire."""
    lobby.instance.storage.set_alarm(rooms.now + 5)
    lobby.instance.storage.delete_alarm()
    await rooms.advance(60)

    assert Alarmed.notes == []


@pytest.mark.parity("at-least-once + retry", "alarmInfo")
async def test_at_least_once_and_retry(rooms: Rooms, lobby: RoomUnderTest[Alarmed]) -> None:
    """After 2 seconds, doubling, six times; then it is dropped. Each is told which try it is."""
    Alarmed.failures = 100
    due = round(rooms.now, 1) + 1
    lobby.instance.storage.set_alarm(due)
    await rooms.advance(1000)

    infos = [info for info, _ in Alarmed.notes]
    assert [info.retry_count for info in infos] == [0, 1, 2, 3, 4, 5, 6]
    assert {round(info.scheduled_at.timestamp(), 1) for info in infos} == {round(due, 1)}
    assert await lobby.alarms() == {}


@pytest.mark.parity("wakes room")
async def test_wakes_room(rooms: Rooms, lobby: RoomUnderTest[Alarmed]) -> None:
    """One that has slept for long, and one whose process has died."""
    lobby.instance.storage.set_alarm(rooms.now + 3600)
    await rooms.advance(1800)
    assert not lobby.is_live
    await rooms.advance(1801)
    assert len(Alarmed.notes) == 1

    await lobby.wake()
    lobby.instance.storage.set_alarm(rooms.now + 60)
    await rooms.rest()
    await lobby.crash()
    await rooms.advance(61)
    assert len(Alarmed.notes) == 2


@pytest.mark.parity("transactional")
async def test_transactional(rooms: Rooms, lobby: RoomUnderTest[Alarmed]) -> None:
    """A transaction that is undone sets no alarm; nor does a write that never became durable."""
    storage = lobby.instance.storage
    async with storage.transaction() as transaction:
        storage.set_alarm(rooms.now + 5)
        transaction.rollback()
    assert await lobby.alarms() == {}

    with lobby.held_writes():
        storage.put("key", 1)
        storage.set_alarm(rooms.now + 5)
        await rooms.rest()
        await lobby.crash()
    assert (await lobby.alarms(), await lobby.stored()) == ({}, {})


@pytest.mark.parity("limit")
async def test_limit(rooms: Rooms) -> None:
    """A handler that takes longer than its class allows is cancelled, and tried again."""
    tries = []

    class Endless(Alarmed):
        handler_timeout = 5

        async def on_alarm(self, info: AlarmInfo) -> None:
            tries.append(info.retry_count)
            await asyncio.Event().wait()

    lobby = rooms.room(Endless)
    await (await lobby.connect()).send("1")
    await rooms.advance(7)
    assert tries == [0]
    await rooms.advance(4)
    assert tries == [0, 1]


@pytest.mark.parity("multiple timers", "crons")
async def test_multiple_timers() -> None:
    """Any number by name, once or by cron, beside the unnamed one."""
    Alarmed.notes, Alarmed.failures = [], 0
    async with Rooms(now=datetime(2030, 1, 1, 12, 0, tzinfo=UTC)) as rooms:
        lobby = rooms.room(Alarmed)
        await lobby.wake()
        room = lobby.instance
        room.schedule("once", at=rooms.now + 90)
        room.schedule("minutes", cron="* * * * *")
        room.storage.set_alarm(rooms.now + 30)
        room.schedule("never", at=rooms.now + 10)
        assert room.unschedule("never")
        assert list(room.schedules()) == ["minutes", "once"]
        await rooms.advance(125)

    assert [info.name for info, _ in Alarmed.notes] == ["", "minutes", "once", "minutes"]
