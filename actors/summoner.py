"""Summons: a room that wakes calls the gateways that hold its clients, and waits until they attach.

The room's metadata names them. Without this, what a room says right after it has moved, crashed or
hibernated would miss the clients of gateways that have nothing to say to it. Promises: a gateway
that is alive and reached is waited for, at most `ATTACH_PATIENCE_S`; one whose lease is gone, that
cannot be reached in `REACH_PATIENCE_S`, or that says that it holds no client, is not. Off the path
of messages: only a room that wakes, and only for gateways that are not with it yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from ..storage import StorageError
from . import messages
from .frames import Kind, pack
from .link import Link
from .links import Links
from .messages import Hello, NotHeld, RoomKey, Summon
from .network import Network
from .tasks import Tasks

log = logging.getLogger(__name__)

ATTACH_PATIENCE_S = 1.0  # for all gateways of a room together
REACH_PATIENCE_S = 0.5  # for a link to one


class Gathering:
    """The gateways that a room waits for. Pure but for the event."""

    def __init__(self, gateway_ids: set[str], forget: Callable[[str], None]) -> None:
        """`forget` is told which gateway holds no client of the room any more."""
        self.absent = set(gateway_ids)
        self.complete = asyncio.Event()
        self._forget = forget

    def settle(self, gateway_id: str, *, gone: bool = False) -> None:
        """Wait for it no longer; if it is `gone`, forget it."""
        self.absent.discard(gateway_id)
        if gone:
            self._forget(gateway_id)
        if not self.absent:
            self.complete.set()


class Summoner:
    """Calls gateways for all rooms of a process, over one link to each."""

    def __init__(
        self,
        me: Hello,
        network: Network,
        lease_alive: Callable[[str], Awaitable[bool]],
        may_leave: Callable[[], bool],
    ) -> None:
        """`me` has the address at which the rooms are; `lease_alive` is asked of gateway ids,
        `may_leave` before anything is said."""
        self._me = me
        self._lease_alive = lease_alive
        self._may_leave = may_leave
        self._links = Links(me, self._on_frame, lambda link: None, network)
        self._gatherings: dict[RoomKey, Gathering] = {}
        self._tasks = Tasks("the summoner")

    def __repr__(self) -> str:
        return f"<Summoner with {len(self._links)} links, {len(self._gatherings)} rooms waiting>"

    async def gather(
        self, key: RoomKey, holders: Mapping[str, str], forget: Callable[[str], None]
    ) -> None:
        """Call these gateways (id -> address) to a room, and wait for those that can come.

        `forget` is told of each that holds no client of it any more, also later.
        """
        gathering = self._gatherings[key] = Gathering(set(holders), forget)
        for gateway_id, address in holders.items():
            self._tasks.spawn(self._summon(key, gateway_id, address, gathering))
        try:
            async with asyncio.timeout(ATTACH_PATIENCE_S):
                await gathering.complete.wait()
        except TimeoutError:
            log.warning("room %s goes on without %d gateways", key, len(gathering.absent))
        finally:
            if self._gatherings.get(key) is gathering:
                del self._gatherings[key]

    def attached(self, key: RoomKey, gateway_id: str) -> None:
        """A gateway is with a room."""
        gathering = self._gatherings.get(key)
        if gathering is not None:
            gathering.settle(gateway_id)

    def close(self) -> None:
        """Close every link."""
        self._tasks.cancel()
        self._links.close()

    async def _summon(
        self, key: RoomKey, gateway_id: str, address: str, gathering: Gathering
    ) -> None:
        alive = await self._is_alive(gateway_id)
        if not alive:
            gathering.settle(gateway_id)  # it is called all the same: it may have been busy
        try:
            async with asyncio.timeout(REACH_PATIENCE_S):
                link = await self._links.to(address)
        except (OSError, ValueError) as error:  # also TimeoutError; an address of who knows when
            log.info("gateway %s cannot be called to %s: %s", gateway_id, key, error)
            gathering.settle(gateway_id, gone=not alive)
            return
        if not self._may_leave():
            return  # a room that wakes is lost with the lease
        summon = Summon(key, gateway_id, self._me.address)
        link.write(pack(Kind.SUMMON, payload=messages.encode(summon)))

    async def _is_alive(self, gateway_id: str) -> bool:
        try:
            return await self._lease_alive(gateway_id)
        except StorageError:
            return True  # not known to be dead

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.NOT_HELD:
            answer = messages.decode(payload, NotHeld)
            gathering = self._gatherings.get(answer.key)
            if gathering is not None:
                gathering.settle(answer.gateway_id, gone=True)
