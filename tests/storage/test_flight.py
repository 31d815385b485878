"""Large flushes of one process take turns."""

from __future__ import annotations

import asyncio

import pytest
from parlour.storage import flight
from parlour.storage.flight import Flight


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for ten bytes."""
    monkeypatch.setattr(flight, "IN_FLIGHT_BYTES_MAX", 10)


class Flushes:
    """Flushes that a test lets land."""

    def __init__(self) -> None:
        self.flight = Flight()
        self.on_their_way: list[str] = []
        self._landing: dict[str, asyncio.Event] = {}

    async def start(self, name: str, size_bytes: int) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._fly(name, size_bytes))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task

    async def _fly(self, name: str, size_bytes: int) -> None:
        self._landing[name] = asyncio.Event()
        async with self.flight.place(size_bytes):
            self.on_their_way.append(name)
            await self._landing[name].wait()
            self.on_their_way.remove(name)

    async def land(self, name: str) -> None:
        self._landing[name].set()
        for _ in range(4):
            await asyncio.sleep(0)


async def test_as_many_fly_as_there_is_room_for_and_in_their_order() -> None:
    """A small one does not overtake a large one that waits."""
    flushes = Flushes()
    for name, size_bytes in (("a", 4), ("b", 6), ("c", 9), ("d", 1)):
        await flushes.start(name, size_bytes)
    assert flushes.on_their_way == ["a", "b"]
    await flushes.land("a")
    assert flushes.on_their_way == ["b"]
    await flushes.land("b")
    assert flushes.on_their_way == ["c", "d"]
    await flushes.land("c")
    await flushes.land("d")
    assert repr(flushes.flight) == "<Flight of 0 bytes, 0 waiting>"


async def test_one_that_is_larger_than_all_the_room_goes_alone() -> None:
    """Nothing waits for ever."""
    flushes = Flushes()
    await flushes.start("huge", 100)
    await flushes.start("a", 1)
    assert flushes.on_their_way == ["huge"]
    await flushes.land("huge")
    assert flushes.on_their_way == ["a"]


async def test_one_that_is_given_up_gives_its_place_to_the_next() -> None:
    """Whether it flies or waits."""
    flushes = Flushes()
    flying = await flushes.start("a", 10)
    waiting = await flushes.start("b", 10)
    await flushes.start("c", 10)
    waiting.cancel()
    flying.cancel()
    await asyncio.wait([waiting, flying])
    await asyncio.sleep(0)
    assert flushes.on_their_way[-1:] == ["c"]
    await flushes.land("c")
    assert repr(flushes.flight) == "<Flight of 0 bytes, 0 waiting>"
