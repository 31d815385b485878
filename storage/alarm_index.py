"""The index of due times: which spaces want to be woken, and when. Outside the spaces.

The truth is in each space, where its flushes move it. The index is what one can ask without
opening every space. Promise: an entry is there before the flush that needs it is applied, and
is never later than the truth, except for `take` and `put_off`, by as much as they say. It may be
earlier, or of a space without alarms: that wakes the space for nothing, which corrects it.
"""

from __future__ import annotations

import asyncio
import logging

from . import keys
from .errors import StorageError
from .redis_commands import Reply
from .redis_connection import RedisClient

_log = logging.getLogger(__name__)


class AlarmIndex:
    """The index, over a connection that belongs to somebody else."""

    def __init__(self, connection: RedisClient) -> None:
        self._connection = connection
        self._show = connection.script("show_alarm")
        self._take = connection.script("take_alarms")
        self._turn = 0  # which part of the index is asked first

    def show(
        self, space: str, *, epoch: int, flush_number: int, due_ms: int | None, only_earlier: bool
    ) -> Reply:
        """Enter the next due time of a space as of a flush; None: it has none.

        `only_earlier` is for before that flush is applied. Later, nobody has to await the reply:
        if it fails the entry stays early, which is allowed.
        """
        reply = self._show(
            keys.alarm_index_keys(keys.alarm_index_of(space)),
            [space, epoch, flush_number, "" if due_ms is None else due_ms, int(only_earlier)],
            repeat=True,
        )
        reply.add_done_callback(_log_failure)
        return reply

    async def drop(self, space: str, *, epoch: int) -> None:
        """Take out the entry of a space that is deleted, unless a newer owner has entered it."""
        names = keys.alarm_index_keys(keys.alarm_index_of(space))
        # Above every flush of this epoch: what is still on its way comes too late.
        await self._show(names, [space, epoch, _LAST_FLUSH, "", 0], repeat=True)

    async def take(self, now_ms: int, *, until_ms: int, count_max: int) -> list[str]:
        """Take spaces that are due by `now_ms`: they are not due again before `until_ms`.

        At least one of each part of the index, if due, so possibly somewhat more than
        `count_max`.
        """
        most = -(-count_max // keys.ALARM_INDEX_PARTS)
        self._turn += 1
        parts = [(part + self._turn) % keys.ALARM_INDEX_PARTS for part in _PARTS]
        replies = [
            self._take(keys.alarm_index_keys(part)[:1], [now_ms, most, until_ms], repeat=True)
            for part in parts
        ]
        return [space.decode() for reply in await asyncio.gather(*replies) for space in reply]

    async def put_off(self, space: str, until_ms: int) -> None:
        """Have a space that cannot be woken now not be due before `until_ms`."""
        name = keys.alarm_index_keys(keys.alarm_index_of(space))[0]
        await self._connection.execute("ZADD", name, "XX", until_ms, space, repeat=True, key=name)


_LAST_FLUSH = 2**53 - 1
_PARTS = range(keys.ALARM_INDEX_PARTS)


def _log_failure(reply: Reply) -> None:
    if reply.cancelled():
        return
    error = reply.exception()
    if isinstance(error, StorageError):
        _log.warning("an entry in the index of alarms stays as it was: %s", error)
    elif error is not None:
        _log.error("an entry in the index of alarms could not be set", exc_info=error)
