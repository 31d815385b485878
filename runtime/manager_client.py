"""A gateway's lines to the hibernation managers: where is this room, and wake it.

The manager of the gateway's own node is asked first; it may send the gateway to another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging

from ..actors import messages
from ..actors.frames import Kind, pack
from ..actors.link import Link, connect
from ..actors.messages import Hello, Placed, RoomKey, Wake
from ..actors.network import Network

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 20.0  # a standby may have to be started first
REFERRALS_MAX = 3  # from manager to manager, for one question


class CannotPlace(Exception):
    """No room actor could be had for a room, now.

    Attributes:
        lacking: No node has the resources free that the room's party asks for.
    """

    def __init__(self, why: str, *, lacking: bool = False) -> None:
        super().__init__(why)
        self.lacking = lacking


class Managers:
    """Asks the manager of this node, and others where it says so."""

    def __init__(self, address: str, hello: Hello, network: Network | None = None) -> None:
        self._address = address
        self._hello = hello
        self._network = network
        self._clients: dict[str, ManagerClient] = {}

    async def place(self, key: RoomKey) -> str:
        """The address of the room actor that has the room, or may have it.

        Raises:
            CannotPlace: If a manager is not there, does not answer in `ANSWER_TIMEOUT_S`, or
                has none to give.
        """
        placed = await self._client(self._address).ask(Wake(key))
        for _ in range(REFERRALS_MAX):
            if not placed.elsewhere:
                break
            placed = await self._client(placed.elsewhere).ask(Wake(key, only_here=True))
        if placed.error or not placed.address:
            why = placed.error or "the manager that was asked last has no place"
            raise CannotPlace(why, lacking=placed.lacking)
        return placed.address

    def introduce(self, hello: Hello) -> None:
        """Say this of oneself on links that are opened from now on."""
        self._hello = hello

    async def report(self, counts: bytes) -> None:
        """Tell the manager of this node what was counted: a `GatewayReport`."""
        await self.tell(Kind.COUNTS, counts)

    async def tell(self, kind: Kind, payload: bytes) -> None:
        """Tell the manager of this node something that needs no answer."""
        await self._client(self._address).tell(kind, payload)

    def close(self) -> None:
        """Close the lines."""
        for client in self._clients.values():
            client.close()

    def _client(self, address: str) -> ManagerClient:
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = ManagerClient(address, self._hello, self._network)
        return client


class ManagerClient:
    """Asks one manager. A line that was lost is opened again with the next question."""

    def __init__(self, address: str, hello: Hello, network: Network | None = None) -> None:
        self._address = address
        self._hello = hello
        self._network = network
        self._link: Link | None = None
        self._numbers = itertools.count(1)
        self._questions: dict[int, asyncio.Future[Placed]] = {}
        self._connecting = asyncio.Lock()

    async def ask(self, wake: Wake) -> Placed:
        """What the manager answers.

        Raises:
            CannotPlace: If it is not there, or does not answer in `ANSWER_TIMEOUT_S`.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Placed] = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        try:
            link = await self._connected()
            link.write(pack(Kind.WAKE, number=number, payload=messages.encode(wake)))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except (OSError, TimeoutError) as error:
            raise CannotPlace("the hibernation manager does not answer") from error
        finally:
            del self._questions[number]

    async def tell(self, kind: Kind, payload: bytes) -> None:
        """Say something that needs no answer; lost if the manager is not there."""
        with contextlib.suppress(OSError, TimeoutError):
            (await self._connected()).write(pack(kind, payload=payload))

    def close(self) -> None:
        """Close the line."""
        if self._link is not None:
            self._link.close()

    async def _connected(self) -> Link:
        async with self._connecting:
            if self._link is None or self._link.lost:
                self._link = await connect(
                    self._address,
                    self._hello,
                    self._on_frame,
                    self._on_lost,
                    network=self._network,
                )
            return self._link

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        answer = self._questions.get(number)
        if kind == Kind.PLACED and answer is not None and not answer.done():
            answer.set_result(messages.decode(payload, Placed))

    def _on_lost(self, link: Link) -> None:
        log.info("the line to the hibernation manager was lost")
        for answer in self._questions.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the hibernation manager is gone"))
