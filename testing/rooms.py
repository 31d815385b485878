"""All rooms of a test: what runs them, and the clock that they share."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from types import ModuleType, TracebackType
from typing import Self, TypeVar

import aiohttp
from picows import WSHandshakeError, ws_connect
from yarl import URL

from ..actors.parties import MAIN, checked_parties, parties_of
from ..actors.room import Room
from .answer import Answer, Refused
from .client import Client
from .clock import Clock
from .node import Node
from .room import RoomUnderTest

RoomT = TypeVar("RoomT", bound=Room)

ALARM_GRAIN_S = 0.002  # an alarm is due in the millisecond after its own
MESSAGE_BYTES_MAX = 64 * 1024 * 1024  # that a client takes: more than any room may send


class Rooms:
    """Rooms in this process, without Ray and Redis: `async with Rooms() as rooms:`.

    The same code runs them as in a cluster, down to the sockets; see docs/testing.md for what is
    not the same. In a test, ask for the fixture `rooms`.
    """

    def __init__(self, *, now: datetime | None = None, public_folder: str | None = None) -> None:
        """`now` is the time of day to start from, the real one unless given."""
        self._clock = Clock(now)
        self.node = Node(self._clock.time, public_folder)
        self.env = self.node.env
        """The project's variables, as `Room.env` and `Lobby.env` have them; fill it as you like."""
        self._http: aiohttp.ClientSession
        self._clients: list[Client] = []

    def __repr__(self) -> str:
        return f"<Rooms of {', '.join(sorted(self.node.parties)) or 'no party yet'}>"

    async def __aenter__(self) -> Self:
        self._clock.start()
        try:
            await self.node.start()
        except BaseException:
            self._clock.stop()
            raise
        self._http = aiohttp.ClientSession(auto_decompress=False)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.node.backend.go_on()
            for client in self._clients:
                client.abandon()
            await self.rest()  # rooms that hibernate wake once more, to hear that they have left
            await self._http.close()
            await self.node.stop()
            await self._clock.rest(lambda: False)  # sockets are closed as the loop turns
        finally:
            self._clock.stop()

    # Rooms

    def deploy(self, *given: type[Room] | ModuleType, **parties: type[Room]) -> None:
        """Make classes known, so that their rooms can be reached: needed only for rooms that are
        reached by others, or by their path.

        A class has its own name in lower case as its party, a module has the parties that it would
        be deployed with, and `name=Class` gives one a name.

        Raises:
            PartyError: If a class cannot be deployed.
        """
        found: dict[str, object] = dict(parties)
        for one in given:
            found |= parties_of(one) if isinstance(one, ModuleType) else {party_of(one): one}
        for party, room_class in checked_parties(found).items():
            self.node.deploy(party, room_class)

    def room(
        self, room_class: type[RoomT], room_id: str = "lobby", *, party: str = ""
    ) -> RoomUnderTest[RoomT]:
        """The room of a class with an id; it is not there before something happens to it."""
        party = party or party_of(room_class)
        if self.node.parties.get(party) is not room_class:
            self.deploy(**{party: room_class})
        return RoomUnderTest(self, room_class, party, room_id)

    # Time

    @property
    def now(self) -> float:
        """The time of day, as rooms see it: `time.time()`."""
        return time.time()

    async def advance(self, seconds: float) -> None:
        """Turn the clock on; what is due until then happens on the way, in its order.

        Timers of hooks end, alarms fire, and rooms that have been idle for long enough hibernate.
        """
        if seconds < 0:
            raise ValueError(f"{seconds} s were given; time only goes on")
        await self.rest()
        target_s = self._clock.time() + seconds + ALARM_GRAIN_S
        while (moment_s := self._next_moment()) is not None and moment_s < target_s:
            await self._turn_to(moment_s)
        await self._turn_to(target_s)

    async def rest(self) -> None:
        """Wait until all that can happen without the clock being turned has happened.

        A hook that waits for something outside, such as an answer from the network, is not waited
        for.
        """
        await self._clock.rest(lambda: self.node.gateway.is_placing)

    def _next_moment(self) -> float | None:
        now_s = self._clock.time()
        moments = (self._clock.next_timer(), self.node.next_moment(now_s, time.time()))
        return min((moment for moment in moments if moment is not None), default=None)

    async def _turn_to(self, moment_s: float) -> None:
        self._clock.turn_to(moment_s)
        self.node.check_time()  # before a hook that has been over its limit can go on
        await self.node.look()
        await self.rest()

    # Clients

    @property
    def url(self) -> URL:
        """Where the gateway listens, for clients of your own."""
        return URL.build(scheme="http", host="127.0.0.1", port=self.node.gateway.port)

    async def connect(
        self,
        path: str,
        client_id: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """Open a WebSocket to any path, as `RoomUnderTest.connect` does to a room's.

        Raises:
            Refused: If it is answered with anything but 101.
        """
        client = Client(client_id or str(uuid.uuid4()), self.rest)
        url = self._url(path, {"_pk": client.id, **(query or {})}).with_scheme("ws")
        try:
            await ws_connect(
                lambda: client,
                str(url),
                extra_headers=dict(headers or {}),
                max_frame_size=MESSAGE_BYTES_MAX,
                max_redirects=0,
                websocket_handshake_timeout=None,
            )
        except WSHandshakeError as error:
            if error.response is None:
                raise
            text = (error.raw_body or b"").decode(errors="replace")
            raise Refused(str(url), int(error.response.status), text) from None
        self._clients.append(client)
        await self.rest()
        return client

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: object = None,
    ) -> Answer:
        """Send an HTTP request to any path, and wait for the whole answer."""
        async with self._http.request(
            method,
            self._url(path, query or {}),
            headers=headers,
            data=body,
            json=json,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            answer = Answer(response.status, response.headers, await response.read())
        await self.rest()
        return answer

    def _url(self, path: str, query: Mapping[str, str]) -> URL:
        return URL(f"{self.url.origin()}{path}", encoded=True).extend_query(query)


def party_of(room_class: type[Room]) -> str:
    """The party that a class is deployed with."""
    return room_class.__name__.lower() or MAIN
