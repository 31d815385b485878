"""What an operator orders of one live room of this node: to hibernate, to leave, to be reset.

Each order returns when it has happened, as the room actor's reports tell, or raises why it has not.
The room's sockets stay open throughout, as its gateways hold them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from ..actors.messages import RoomKey
from .actor_record import ActorRecord
from .mover import RoomMover
from .pool import Pool

HIBERNATE_PATIENCE_S = 5.0  # for a room to have nothing in hand
LEAVE_PATIENCE_S = 15.0  # for the hook in hand, then on_stop, to end
RESET_PATIENCE_S = 2.0  # for a process to throw a room out; one that does not is ended
END_PATIENCE_S = 5.0  # for such a process to be gone
TOLD_AGAIN_S = 0.1  # to hibernate: a room that has something in hand ignores it


class OrderRefused(Exception):
    """Why an order was not carried out; one sentence that says what to do."""


class Stay(NamedTuple):
    """A room in a process, from its wake until it leaves."""

    key: RoomKey
    record: ActorRecord
    started_s: float


class RoomOrders:
    """Carries orders out, one wait for each."""

    def __init__(
        self, pool: Pool, mover: RoomMover, end_process: Callable[[ActorRecord], None]
    ) -> None:
        """`end_process` ends a room actor at once, even one that is blocked."""
        self._pool = pool
        self._mover = mover
        self._end_process = end_process
        self._news = asyncio.Event()
        self._waiting = 0

    def __repr__(self) -> str:
        return f"<RoomOrders, {self._waiting} under way>"

    def look(self) -> None:
        """Something has changed in the pool: a room actor has reported, or is gone."""
        if self._waiting:
            news, self._news = self._news, asyncio.Event()
            news.set()

    def state(self, key: RoomKey) -> str:
        """How a room stands here, as its room actor has reported it; empty if none has it."""
        record = self._pool.find(key)
        room = record.rooms.get(key) if record is not None else None
        return room.state if room is not None else ""

    async def hibernate(self, key: RoomKey) -> None:
        """Have the room leave its process in good order, now.

        Raises:
            OrderRefused: If it is not live here, or has had something in hand each time it was
                told, for `HIBERNATE_PATIENCE_S`; nothing is left of the order then.
        """
        stay = self._stay(key)
        if not await self._has_left(stay, "hibernate", HIBERNATE_PATIENCE_S, TOLD_AGAIN_S):
            raise OrderRefused(
                f"{key} has something in hand, and so it has been for {HIBERNATE_PATIENCE_S:.0f} s;"
                " try again, or reset it"
            )

    async def leave(self, key: RoomKey) -> None:
        """Have the room leave its process in good order once the hook in hand has ended.

        Raises:
            OrderRefused: If it is not live here, or has not left in `LEAVE_PATIENCE_S`; it still
                does, when its hook has ended.
        """
        stay = self._stay(key)
        if not await self._has_left(stay, "move", LEAVE_PATIENCE_S, LEAVE_PATIENCE_S):
            raise OrderRefused(
                f"a hook of {key} has not ended for {LEAVE_PATIENCE_S:.0f} s; the room leaves when "
                "it has, and not before"
            )

    async def reset(self, key: RoomKey) -> None:
        """Throw the room out at once, as if its process had crashed: what is durable remains.

        A process that does not answer any more, as a hook blocks it, is ended, with all rooms that
        share it.

        Raises:
            OrderRefused: If it is not live here, or its process cannot be ended.
        """
        stay = self._stay(key)
        if await self._has_left(stay, "reset", RESET_PATIENCE_S, RESET_PATIENCE_S):
            return
        self._end_process(stay.record)
        if not await self._has_left(stay, "", END_PATIENCE_S, END_PATIENCE_S):
            raise OrderRefused(
                f"the process of {key} does not end; it loses the room when it loses its lease"
            )

    def _stay(self, key: RoomKey) -> Stay:
        record = self._pool.find(key)
        room = record.rooms.get(key) if record is not None else None
        if record is None or room is None:
            raise OrderRefused(f"{key} is not live")
        return Stay(key, record, room.started_s)

    def _is_over(self, stay: Stay) -> bool:
        if self._pool.find(stay.key) is not stay.record:
            return True
        room = stay.record.rooms.get(stay.key)
        return room is None or room.started_s != stay.started_s

    async def _has_left(
        self, stay: Stay, reason: str, patience_s: float, told_again_s: float
    ) -> bool:
        """Tell a room to leave, again and again, and wait until it has; False if it does not."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + patience_s
        tell_at_s = loop.time()
        self._waiting += 1
        try:
            while not self._is_over(stay):
                now_s = loop.time()
                if now_s >= give_up_s:
                    return False
                if now_s >= tell_at_s and reason:
                    self._mover.send_away(stay.record, stay.key, reason)
                    tell_at_s = now_s + told_again_s
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(told_again_s, give_up_s - now_s)):
                        await self._news.wait()
        finally:
            self._waiting -= 1
        return True
