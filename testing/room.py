"""One room under test: its clients and requests, what it stores, and what befalls its process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from ..actors.live_room import LiveRoom
from ..actors.messages import RoomKey
from ..actors.room import Room
from ..actors.schedules import NAMED, moment
from ..storage import OwnedStorage
from .answer import Answer
from .client import Client

if TYPE_CHECKING:
    from .rooms import Rooms

RoomT = TypeVar("RoomT", bound=Room)


class RoomUnderTest(Generic[RoomT]):
    """A room, whether it is in a process or not. Made by `Rooms.room`.

    Each call that is awaited returns when all rooms have come to rest.
    """

    def __init__(self, rooms: Rooms, room_class: type[RoomT], party: str, room_id: str) -> None:
        self.party = party
        self.id = room_id
        self.path = f"/parties/{party}/{quote(room_id, safe='')}"
        self._rooms = rooms
        self._class = room_class
        self._key = RoomKey(party, room_id)

    def __repr__(self) -> str:
        return f"<RoomUnderTest {self._key}{', live' if self.is_live else ''}>"

    # What clients do

    async def connect(
        self,
        client_id: str | None = None,
        *,
        path: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """Connect a client, under a name (`_pk`) of its own choice or a new one.

        `path` is what comes below the room, with its leading slash.

        Raises:
            Refused: If the WebSocket is answered with anything but 101.
        """
        return await self._rooms.connect(self.path + path, client_id, query=query, headers=headers)

    async def request(
        self,
        method: str = "GET",
        path: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: object = None,
    ) -> Answer:
        """Send an HTTP request, and wait for the whole answer.

        `path` is what comes below the room, with its leading slash.
        """
        return await self._rooms.request(
            method, self.path + path, query=query, headers=headers, body=body, json=json
        )

    # Its process

    @property
    def is_live(self) -> bool:
        """Whether it is in a process; if not, its next event wakes it."""
        return self._live is not None

    @property
    def instance(self) -> RoomT:
        """The object of your class that lives now: look, but leave its work to its hooks.

        Raises:
            AssertionError: If the room is not live.
        """
        room = self._must_be_live().instance
        assert isinstance(room, self._class)
        return room

    async def wake(self) -> None:
        """Have it be in a process, as its next event would."""
        if self._live is None:
            self._rooms.node.gateway.wake(self._key, only_held=False)
        await self._rooms.rest()

    async def hibernate(self) -> None:
        """Have it leave its process now, as it would when it has been idle for long enough.

        Raises:
            AssertionError: If it may not: an event is in hand, or its class forbids it.
        """
        live = self._must_be_live()
        await self._rooms.rest()
        if not self._rooms.node.may_hibernate(live):
            why = "it has an event in hand" if not live.idle else "`hibernate` is False"
            raise AssertionError(f"{self!r} may not hibernate: {why}")
        await self.leave("hibernate")

    async def leave(self, reason: str) -> None:
        """Have it leave its process in good order; `on_stop` is told the reason."""
        live = self._must_be_live()
        live.leave(reason)
        await live.ended()
        await self._rooms.rest()

    async def crash(self) -> None:
        """Have its process die: what is not durable is lost, and no hook hears of it.

        Its connections stay, and an event that was in hand is handled again.
        """
        live = self._must_be_live()
        live.break_off("its process dies, as the test demands")
        await live.ended()
        await self._rooms.rest()

    @property
    def _live(self) -> LiveRoom | None:
        return self._rooms.node.live_room(self._key)

    def _must_be_live(self) -> LiveRoom:
        live = self._live
        if live is None:
            raise AssertionError(f"{self!r} is in no process: send it something, or `wake` it")
        return live

    # What it stores

    async def stored(self) -> dict[str, Any]:
        """What is durable, key by key, in order; large values are not among them."""
        return await (await self._look()).list()

    async def store(self, entries: Mapping[str, object]) -> None:
        """Store something before the room is there.

        Raises:
            AssertionError: If the room is live: it is the only one to write then.
        """
        if self._live is not None:
            raise AssertionError(f"{self!r} is live and the only one to write; hibernate it first")
        backend = self._rooms.node.backend
        claim = await backend.claim(self._key.space, owner="the test", address="")
        storage = OwnedStorage(backend, claim)
        storage.put(dict(entries))
        await storage.close()
        await backend.release(self._key.space, owner=claim.owner, epoch=claim.epoch)

    @contextmanager
    def held_writes(self) -> Iterator[None]:
        """Nothing becomes durable inside the `with`, of any room, nor leaves what waits for it."""
        self._rooms.node.backend.hold()
        try:
            yield
        finally:
            self._rooms.node.backend.go_on()

    # Its alarms

    async def alarms(self) -> dict[str, datetime]:
        """When each of its alarms is due, by the name of the schedule; "" is the unnamed one."""
        found = {}
        for kept, alarm in (await self._look()).named_alarms().items():
            if not kept or kept.startswith(NAMED):
                found[kept.removeprefix(NAMED)] = moment(alarm.due_ms)
        return dict(sorted(found.items(), key=lambda one: one[1]))

    async def fire_alarm(self) -> None:
        """Turn the clock on until the first of its alarms fires.

        Raises:
            AssertionError: If it has none.
        """
        alarms = await self.alarms()
        if not alarms:
            raise AssertionError(f"{self!r} has no alarm set")
        due_s = next(iter(alarms.values())).timestamp()
        await self._rooms.advance(max(0.0, due_s - self._rooms.now))

    async def _look(self) -> OwnedStorage:
        # In a copy, so that looking changes nothing.
        backend = self._rooms.node.backend.copy()
        return OwnedStorage(backend, await backend.claim(self._key.space, owner="look", address=""))
