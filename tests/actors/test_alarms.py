"""Alarms in a live room: run once due, tried again, and not lost with the room."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from parlour.actors import alarms
from parlour.actors.frames import Kind
from parlour.actors.lifecycle import State
from parlour.actors.schedules import AlarmInfo, InvalidSchedule, Schedule, moment
from parlour.storage import Alarm, StorageReset
from parlour.storage.alarms import UNNAMED

from .staging import KEY, Diary, Stage, until

DAY_S = 24 * 3600.0


class Alarmed(Diary):
    """Sets an alarm when told to, and writes down those that fire."""

    handler_timeout = 3.0

    def on_message(self, connection: Any, message: Any) -> None:
        self.storage.set_alarm(float(message))

    async def on_alarm(self, info: AlarmInfo) -> None:
        assert await self.storage.get_alarm() is None
        self.diary.append((self.id, info.name, info.retry_count))
        self.storage.put("fired", len(self.diary))


@pytest.fixture(autouse=True)
def empty_diary() -> None:
    Alarmed.diary = []


async def kept(stage: Stage) -> dict[str, Alarm]:
    """The alarms that are durable, of a room that has left."""
    claim = await stage.backend.claim(KEY.space, owner="test", address="")
    await stage.backend.release(KEY.space, owner=claim.owner, epoch=claim.epoch)
    return claim.alarms


async def test_an_alarm_runs_when_a_gateway_says_that_it_is_due(stage: Stage) -> None:
    """Once, and only after its time; nothing of it is left."""
    stage.start(Alarmed)
    gateway = await stage.attached(1)
    await gateway.done(gateway.text(1, str(stage.wall_s + DAY_S)))
    await gateway.done(gateway.alarm())
    stage.wall_s += DAY_S
    await gateway.done(gateway.alarm())
    assert ("lobby", "", 0) not in Alarmed.diary

    stage.wall_s += 0.001
    await gateway.done(gateway.alarm())
    await gateway.done(gateway.alarm())
    assert Alarmed.diary.count(("lobby", "", 0)) == 1
    stage.room.leave("shutdown")
    await stage.ended()
    assert await kept(stage) == {}
    assert await stage.stored("fired") is not None


async def test_a_room_that_is_woken_for_nothing_says_so(stage: Stage) -> None:
    """The index of due times then shows the truth again, whatever it showed."""
    stage.start(Alarmed)
    gateway = await stage.attached()
    at_ms = round(stage.wall_s + DAY_S) * 1000
    stage.room.storage.set_alarm(at_ms / 1000)
    await stage.room.storage.sync()
    await stage.backend.put_off(KEY.space, at_ms + 5000)
    await gateway.done(gateway.alarm())
    await stage.room.storage.sync()
    assert await stage.backend.take_due(at_ms, until_ms=0, count_max=1) == [KEY.space]


async def test_a_room_that_wakes_late_runs_its_alarms_by_itself(stage: Stage) -> None:
    """After on_start, without a gateway having to say so."""

    class Late(Alarmed):
        def on_start(self) -> None:
            super().on_start()
            self.schedule("b", at=stage.wall_s - 1)
            self.schedule("a", at=stage.wall_s - 2)

    stage.start(Late)
    await stage.attached()
    await until(lambda: len(Late.diary) == 3)
    assert Late.diary == ["start", ("lobby", "a", 0), ("lobby", "b", 0)]


async def test_a_live_room_keeps_time_by_itself(stage: Stage) -> None:
    """Also when the alarm is set by a task of its own, or moved."""
    stage.start(Alarmed)
    await stage.attached()
    storage = stage.room.storage
    storage.set_alarm(stage.wall_s + DAY_S)
    storage.set_alarm(stage.wall_s + 0.02)
    stage.wall_s += 0.03  # the timer is real, the clock that it asks is not
    await until(lambda: ("lobby", "", 0) in Alarmed.diary)


async def test_what_fails_is_tried_again_and_what_it_wrote_stays(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what happened and what follows."""

    class Failing(Alarmed):
        async def on_alarm(self, info: AlarmInfo) -> None:
            await super().on_alarm(info)
            if info.retry_count == 0:
                raise RuntimeError("as told")

    Failing.diary.clear()
    stage.start(Failing)
    gateway = await stage.attached()
    stage.room.storage.set_alarm(stage.wall_s - 1)
    await until(lambda: len(Failing.diary) == 2)
    await gateway.done(gateway.alarm())
    assert "tried again in 2." in caplog.text
    assert "as told" in caplog.text
    alarm = (await stage.room.storage.get_alarm()) or moment(0)
    assert 2 <= alarm.timestamp() - stage.wall_s <= 2.5

    stage.wall_s += 3
    await gateway.done(gateway.alarm())
    assert Failing.diary[-2:] == [("lobby", "", 0), ("lobby", "", 1)]
    assert await stage.room.storage.get("fired") == 3
    assert await stage.room.storage.get_alarm() is None


async def test_a_handler_over_its_time_limit_is_a_failure(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """It is cancelled and tried again, and the room goes on."""

    class Slow(Alarmed):
        async def on_alarm(self, info: AlarmInfo) -> None:
            await super().on_alarm(info)
            if info.retry_count == 0:
                await asyncio.Event().wait()

    stage.start(Slow)
    gateway = await stage.attached()
    stage.room.storage.set_alarm(stage.wall_s - 1)
    await until(lambda: ("lobby", "", 0) in Slow.diary)
    stage.now_s += Alarmed.handler_timeout
    stage.room.check_time()
    await gateway.done(gateway.alarm())
    assert stage.room.state is State.LIVE
    assert "on_alarm was cancelled" in caplog.text
    stage.wall_s += 3
    await gateway.done(gateway.alarm())
    assert Slow.diary[-1] == ("lobby", "", 1)


async def test_an_alarm_is_not_lost_with_its_room(stage: Stage) -> None:
    """One that was running when its process went away runs again, not counted as a failure."""
    hangs = True

    class Hanging(Alarmed):
        async def on_alarm(self, info: AlarmInfo) -> None:
            await super().on_alarm(info)
            if hangs:
                await asyncio.Event().wait()

    room = stage.start(Hanging)
    await stage.attached()
    room.storage.set_alarm(stage.wall_s - 1)
    await until(lambda: len(Hanging.diary) == 2)
    room.break_off("its process dies")
    await stage.ended()

    hangs = False
    stage.start(Hanging, owner="r2")
    gateway = await stage.attached(gateway_id="g2")
    assert await stage.room.storage.get_alarm() is not None
    await gateway.done(gateway.alarm())
    assert len(Hanging.diary) == 3  # started again, not run yet
    stage.wall_s += 3
    await gateway.done(gateway.alarm())
    assert Hanging.diary == ["start", ("lobby", "", 0), "start", ("lobby", "", 0)]
    stage.room.leave("shutdown")
    await stage.ended()
    assert await kept(stage) == {}


async def test_an_alarm_is_forgotten_in_the_flush_of_its_last_writes(stage: Stage) -> None:
    """If that flush is lost, so is the handler's work, and it runs again."""

    class Plain(Alarmed):
        def on_alarm(self, info: AlarmInfo) -> None:  # type: ignore[override]
            self.diary.append(info.retry_count)
            self.storage.put("fired", True)
            stage.backend.problem = StorageReset(KEY.space, "lost")

    stage.start(Plain)
    await stage.attached()
    stage.room.storage.set_alarm(stage.wall_s - 1)
    await stage.ended()
    assert Plain.diary == ["start", 0]
    assert await stage.stored("fired") is None
    stage.backend.problem = None
    assert len(await kept(stage)) == 1


async def test_alarms_wait_for_events_under_suspicion(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a handler that kills its process is not taken for the client that came next."""
    monkeypatch.setattr(alarms, "CAREFUL_PAUSE_S", 0.0)
    stage.start(Alarmed)
    gateway = await stage.gateway()
    gateway.attach(careful_until=2)
    await gateway.until(Kind.READY)
    stage.room.storage.set_alarm(stage.wall_s - 1)
    await gateway.done(gateway.connect(1))
    for _ in range(100):  # in each the timer has looked
        await asyncio.sleep(0)
    assert ("lobby", "", 0) not in Alarmed.diary
    await gateway.done(gateway.text(1, str(stage.wall_s - 1)))
    await until(lambda: ("lobby", "", 0) in Alarmed.diary)


async def test_alarms_of_a_class_without_a_hook_are_dropped(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Also those by cron expression, which would wake the room for ever; the log says so."""

    class Without(Diary):
        pass

    stage.start(Without)
    gateway = await stage.attached()
    stage.room.storage.set_alarm(stage.wall_s - 1)
    stage.room.alarms.schedule("often", None, "* * * * *")
    stage.wall_s += 61
    for _ in range(2):
        await gateway.done(gateway.alarm())
    assert stage.room.owned.named_alarms() == {}
    assert caplog.text.count("no on_alarm") == 2


async def test_with_interleave_other_events_go_on_and_alarms_come_one_by_one(
    stage: Stage,
) -> None:
    """A message is handled while an alarm waits for something; the next alarm is not."""
    going_on = asyncio.Event()

    class Interleaved(Alarmed):
        interleave = True

        def on_message(self, connection: Any, message: Any) -> None:
            self.diary.append(message)

        async def on_alarm(self, info: AlarmInfo) -> None:
            self.diary.append(info.name)
            await going_on.wait()
            self.diary.append(f"{info.name} ends")

    stage.start(Interleaved)
    gateway = await stage.attached(1)
    stage.room.alarms.schedule("a", stage.wall_s - 2, None)
    stage.room.alarms.schedule("b", stage.wall_s - 1, None)
    await until(lambda: "a" in Interleaved.diary)
    gateway.alarm()
    gateway.text(1, "message")
    await until(lambda: "message" in Interleaved.diary)
    assert Interleaved.diary[2:] == ["a", "message"]
    going_on.set()
    await until(lambda: "b ends" in Interleaved.diary)
    assert Interleaved.diary[2:] == ["a", "message", "a ends", "b", "b ends"]


async def test_schedules_are_set_listed_and_deleted_by_name(stage: Stage) -> None:
    """The unnamed alarm is not among them."""

    class Planner(Alarmed):
        def on_start(self) -> None:
            self.storage.set_alarm(stage.wall_s + 1)
            self.schedule("later", at=moment(2_000_000_000_000))
            self.schedule("daily", cron="0 3 * * *")
            self.schedule("later", at=1_950_000_000)
            self.diary.append(self.schedules())
            self.diary.append([self.unschedule("later"), self.unschedule("later")])
            self.diary.append(list(self.schedules()))
            for arguments in ({}, {"at": 5.0, "cron": "* * * * *"}):
                with pytest.raises(InvalidSchedule, match="either at=.* or cron="):
                    self.schedule("both or none", **arguments)  # type: ignore[arg-type]

    stage.start(Planner)
    await stage.attached()
    daily = Schedule("daily", moment(1_900_033_200_000), "0 3 * * *")
    later = Schedule("later", moment(1_950_000_000_000), None)
    assert Planner.diary == [{"daily": daily, "later": later}, [True, False], ["daily"]]
    assert UNNAMED in stage.room.owned.named_alarms()


async def test_a_rollback_undoes_a_schedule(stage: Stage) -> None:
    """And it does not fire."""

    class Careless(Alarmed):
        async def on_start(self) -> None:
            async with self.storage.transaction() as txn:
                self.schedule("undone", at=stage.wall_s - 1)
                txn.rollback()

    stage.start(Careless)
    gateway = await stage.attached()
    await gateway.done(gateway.alarm())
    assert Careless.diary == []


async def test_an_alarm_of_a_room_that_leaves_stays_for_its_next_process(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it is lost on the way, and its timer is no error."""
    stage.start(Alarmed)
    await stage.attached()
    stage.room.storage.set_alarm(stage.wall_s)
    stage.room.leave("deploy")
    stage.wall_s += 1
    await stage.ended()
    assert ("lobby", "", 0) not in Alarmed.diary
    assert list(await kept(stage)) == [UNNAMED]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
