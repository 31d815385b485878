"""The alarm clock sends an event to each room that is due, and no second one meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.frames import Kind
from parlour.actors.messages import Hello, RoomKey
from parlour.runtime import alarm_clock
from parlour.runtime.alarm_clock import TAKEN_S, UNKNOWN_S, AlarmClock
from parlour.runtime.manager_client import Managers
from parlour.runtime.route import PendingEvent, Route
from parlour.runtime.router import Router
from parlour.storage import MemoryBackend, OwnedStorage


class Listener:
    """A gateway without clients."""

    patient = False

    def on_room_left(self, route: Route) -> None:
        pass

    def on_room_frame(self, route: Route, kind: int, number: int, payload: bytes) -> None:
        raise AssertionError("no room says anything here")

    def on_event_failed(
        self, route: Route, event: PendingEvent, why: str, *, try_again: bool
    ) -> None:
        raise AssertionError(f"{event} failed: {why}")


class Bench:
    """A clock over an index in memory and a router whose manager is not there yet."""

    def __init__(self, folder: Path) -> None:
        me = Hello("gateway", "g1", 1)
        self.now_s = 1_000.0
        self.backend = MemoryBackend()
        manager = Managers(str(folder / "manager.sock"), me)
        self.router = Router(me, manager, Listener(), lambda: 0.0)
        self.parties = {"chat"}
        self.clock = AlarmClock(self._open, self.router, lambda: self.parties, lambda: self.now_s)

    async def _open(self) -> MemoryBackend:
        return self.backend

    async def set_alarm(self, key: RoomKey, at_s: float) -> None:
        storage = OwnedStorage(
            self.backend, await self.backend.claim(key.space, owner="o", address="")
        )
        storage.set_alarm(at_s)
        await storage.close()

    def events(self, key: RoomKey) -> list[int]:
        """What waits for a room."""
        return [event.kind for event in self.router.route(key).pending]

    def done(self, key: RoomKey) -> None:
        """The room says that it has handled what waited."""
        route = self.router.route(key)
        route.done(route.pending[-1].sequence)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.clock.stop()
    await bench.router.close()


async def test_a_room_gets_an_event_when_its_alarm_is_due(bench: Bench) -> None:
    """Not before; under its own name, whatever is in it."""
    key = RoomKey("chat", "a/b {c} \u00fc%2F")
    await bench.set_alarm(key, 1_001)
    for bench.now_s in (1_000.0, 1_001.0):
        await bench.clock.look()
        assert bench.events(key) == []
    bench.now_s = 1_001.001
    await bench.clock.look()
    assert bench.events(key) == [Kind.ALARM]


async def test_a_room_that_has_not_answered_gets_no_second_event(bench: Bench) -> None:
    """One that has, and is still due, does: after a while."""
    key = RoomKey("chat", "lobby")
    await bench.set_alarm(key, 999)
    for _ in range(3):
        await bench.clock.look()
        bench.now_s += TAKEN_S + 0.01
    assert bench.events(key) == [Kind.ALARM]
    bench.done(key)
    await bench.clock.look()
    assert bench.events(key) == [Kind.ALARM]
    bench.done(key)
    await bench.clock.look()
    assert bench.events(key) == []


async def test_rooms_of_a_party_that_is_not_deployed_wait(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """They are not forgotten, and the log names them."""
    key = RoomKey("old", "lobby")
    await bench.set_alarm(key, 999)
    await bench.clock.look()
    assert bench.events(key) == []
    assert "old/lobby" in caplog.text
    bench.parties.add("old")
    bench.now_s += UNKNOWN_S - 1
    await bench.clock.look()
    assert bench.events(key) == []
    bench.now_s += 2
    await bench.clock.look()
    assert bench.events(key) == [Kind.ALARM]


async def test_only_so_many_rooms_are_woken_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others when those have answered; in the end all of them."""
    monkeypatch.setattr(alarm_clock, "IN_FLIGHT_MAX", 4)
    keys = [RoomKey("chat", str(number)) for number in range(10)]
    for key in keys:
        await bench.set_alarm(key, 999)
    woken: set[RoomKey] = set()
    for expected in (4, 8, 10):
        for _ in range(2):
            await bench.clock.look()
        waiting = {key for key in keys if bench.events(key)}
        assert waiting & woken == set()
        woken |= waiting
        assert len(woken) == expected
        for key in waiting:
            bench.done(key)
            await bench.set_alarm(key, 99_999)
