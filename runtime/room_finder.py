"""Finds the room actor that has a room, or one that is given it, and links to it.

A room that is live on another node is that node's; all else is for this node's hibernation manager.
What does not work is tried again, later and later, for `WAKE_PATIENCE_S`. What it finds is a hint:
the room actor may refuse the room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import NamedTuple

from ..actors.link import Link
from ..actors.links import Links
from ..actors.messages import Hello
from ..actors.network import Address, Network
from .directory import Directory
from .manager_client import CannotPlace, Managers
from .route import Route

log = logging.getLogger(__name__)

WAKE_PATIENCE_S = 30.0  # after it the events that wait for a room are failed
BACKOFF_MIN_S, BACKOFF_MAX_S = 0.05, 2.0
DOUBLINGS_MAX = 16  # an outage of an hour counts thousands of failures
CANNOT_WAKE = "the room cannot be woken now"
NOTHING_FREE = "the room waits for resources that no node has free now"


class Found(NamedTuple):
    """Where to attach to a room, and whether only if it is live there."""

    link: Link
    address: str
    only_live: bool


class NotFound(Exception):
    """There was no room actor in time; the text is for the client."""


class RoomFinder:
    """Of a gateway, over its links to room actors."""

    def __init__(
        self,
        links: Links,
        managers: Managers,
        clock: Callable[[], float],
        network: Network | None,
        directory: Directory | None,
    ) -> None:
        """`directory` tells of rooms on other nodes of `network`; None where there are none."""
        self._links = links
        self._managers = managers
        self._clock = clock
        self._network = network
        self._directory = directory

    def __repr__(self) -> str:
        return f"<RoomFinder over {self._links}>"

    def introduce(self, me: Hello) -> None:
        """Say this of oneself on links that are opened from now on."""
        self._links.me = me
        self._managers.introduce(me)

    async def find(self, route: Route, at: str = "") -> Found:
        """Find a room actor for the room of a route; `at` is where it was last said to be live.

        Raises:
            NotFound: If none was found by `route.give_up_s`, which is set here if it was not.
        """
        if route.give_up_s is None:
            route.give_up_s = self._clock() + WAKE_PATIENCE_S
        if at:
            with contextlib.suppress(OSError):
                return Found(await self._links.to(at), at, True)
        await _back_off(route.failures)
        while True:
            try:
                address, only_live = await self._look_up(route)
                return Found(await self._links.to(address), address, only_live)
            except (CannotPlace, OSError, TimeoutError) as error:
                route.failures += 1
                if self._clock() > route.give_up_s:
                    # Its client is told that it is so, and only the log may tell why.
                    why = str(error) or repr(error)
                    log.warning("room %s was not woken in time: %s", route.key, why)
                    lacking = isinstance(error, CannotPlace) and error.lacking
                    raise NotFound(NOTHING_FREE if lacking else CANNOT_WAKE) from error
                log.info("room %s cannot be woken yet: %s", route.key, error)
            await _back_off(route.failures)

    async def is_at(self, route: Route, address: str) -> bool:
        """Whether the room is live at an address, as far as can be known now."""
        assert self._directory is not None
        try:
            holder = await self._directory.find(route.key)
        except OSError:
            return False
        return holder is not None and holder.address == address

    async def _look_up(self, route: Route) -> tuple[str, bool]:
        """Where the room is to be had, and whether only if it is live there.

        This node's manager knows more of its own room actors than the directory does.
        """
        if self._directory is not None and self._network is not None:
            holder = await self._directory.find(route.key)
            if holder is not None and not self._network.is_here(Address.parse(holder.address)):
                # Who has the claim and says that it has not the room may take it up again.
                return holder.address, holder.address != route.absent_at
        return await self._managers.place(route.key), False

    async def close(self) -> None:
        """Close every link, and what tells where rooms are."""
        self._links.close()
        self._managers.close()
        if self._directory is not None:
            await self._directory.close()


async def _back_off(failures: int) -> None:
    if failures:
        doublings = min(failures - 1, DOUBLINGS_MAX)
        delay_s = min(BACKOFF_MIN_S * 2**doublings, BACKOFF_MAX_S)
        await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
