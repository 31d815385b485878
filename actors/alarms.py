"""The alarms of one live room: wakes the room when one is due, and runs `on_alarm`.

The thin part around `schedules.py`: the clock, the timer, storage and the hook. A run is recorded
before it begins and forgotten in the flush of the handler's last writes: an alarm is lost with no
process, and a handler that awaits nothing has either done all of its work or none.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..storage import OwnedStorage, StorageError
from . import schedules
from .attachment import Attachment
from .counts import PartyCounts
from .frames import Kind
from .link import Link
from .mailbox import Event
from .schedules import AlarmInfo, Changes, InvalidSchedule, Run, Schedule

if TYPE_CHECKING:
    from .messages import RoomKey

log = logging.getLogger(__name__)

TIMER_S_MAX = 3600.0  # it looks again, as the clock of the machine may be set
CAREFUL_PAUSE_S = 0.05  # between two looks whether the events under suspicion are done

OnAlarm = Callable[[AlarmInfo], Awaitable[Any]]


class RoomAlarms:
    """The alarms of a room, from its claim until it leaves its process."""

    def __init__(
        self,
        key: RoomKey,
        put_event: Callable[[Event], None],
        is_careful: Callable[[], bool],
        clock: Callable[[], float],
        counts: PartyCounts | None = None,
    ) -> None:
        """`put_event` brings an event into the room's mailbox.

        `is_careful` tells whether events are being handled of which one has killed a process,
        `clock` the seconds since the epoch, `counts` are those of the room's party.
        """
        self._key = key
        self._put_event = put_event
        self._is_careful = is_careful
        self._clock = clock
        self._counts = counts or PartyCounts()
        self._storage: OwnedStorage
        self._is_live = False
        self._in_hand = False
        self._timer: asyncio.TimerHandle | None = None
        self._own: Attachment  # the events of the room itself belong to no gateway

    def __repr__(self) -> str:
        return f"<RoomAlarms of {self._key}{', one in hand' if self._in_hand else ''}>"

    # For the room

    def schedule(self, name: str, at: datetime | float | None, cron: str | None) -> None:
        """See `Room.schedule`."""
        kept = schedules.kept_as(name)
        if (at is None) == (cron is None):
            raise InvalidSchedule(name, "give either at=, to fire once, or cron=")
        schedules.check_room(name, self._storage.named_alarms())
        if cron is not None:
            alarm = schedules.recurring(name, cron, self._now_ms())
        elif at is not None:
            alarm = schedules.once(name, at)
        self._storage.change_alarm(kept, alarm)

    def unschedule(self, name: str) -> bool:
        """See `Room.unschedule`."""
        kept = schedules.kept_as(name)
        existed = kept in self._storage.named_alarms()
        self._storage.delete_named_alarm(kept)
        return existed

    def schedules(self) -> dict[str, Schedule]:
        """See `Room.schedules`."""
        return schedules.schedules(self._storage.named_alarms())

    # For what runs the room

    def open(self, storage: OwnedStorage) -> None:
        """The room is claimed: put back what was being run when its last process died."""
        self._storage = storage
        # Nothing is ever said over this link: it leads nowhere.
        nowhere = Link(lambda *_: None, lambda _: None)
        self._own = Attachment(nowhere, 0, "", careful_until=-1)
        self._write(schedules.recover(storage.named_alarms()), confirm=False)

    def go_live(self) -> None:
        """The room handles events from now on."""
        self._is_live = True
        self.set_timer()

    def stop(self) -> None:
        """It does not any more."""
        self._is_live = False
        if self._timer is not None:
            self._timer.cancel()

    def set_timer(self) -> None:
        """Wake up for the alarm that is due first; called whenever alarms have changed."""
        if not self._is_live or self._in_hand:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        alarms = self._storage.named_alarms()
        if alarms:
            # One more, as an alarm is due in the millisecond after its own.
            wait_ms = min(alarm.due_ms for alarm in alarms.values()) + 1 - self._clock() * 1000
            self._call_in(max(0.0, min(wait_ms / 1000, TIMER_S_MAX)))

    async def run_due(self, event: Event, on_alarm: OnAlarm | None) -> None:
        """Handle an ALARM event: run the alarm that is due, if one is.

        `on_alarm` is the hook, or None if the class has none: then the alarm is dropped.

        Raises:
            StorageError: If it cannot be recorded; the room is reset then.
        """
        if self._in_hand:
            return
        alarms = self._storage.named_alarms()
        first = schedules.due(alarms, self._now_ms())
        if first is None:
            if event.sequence:
                self._storage.show_alarm()  # the index told a gateway otherwise
            self.set_timer()
            return
        if on_alarm is None:
            log.error("%s: %r is due and dropped: the class has no on_alarm", self, first)
            self._storage.delete_named_alarm(first)
            return
        run, changes = schedules.begin(alarms, first, self._now_ms(), random.random())
        self._in_hand = True
        self._counts.alarms += 1
        try:
            self._write(changes, confirm=False)
            await self._storage.sync()
            await self._run(run, on_alarm)
        finally:
            self._in_hand = False
            self.set_timer()

    async def _run(self, run: Run, on_alarm: OnAlarm) -> None:
        try:
            await on_alarm(run.info)
        except Exception:
            what = self._failed(run)
            log.exception("%s: on_alarm raised for %s; %s", self, run.info, what)
        except asyncio.CancelledError:
            # It is over its time limit. Or the room is reset, and nothing more is stored.
            log.error("%s: on_alarm was cancelled for %s; %s", self, run.info, self._failed(run))
            raise
        else:
            self._write(schedules.finish(run, self._storage.named_alarms()), confirm=True)

    def _failed(self, run: Run) -> str:
        try:
            alarms = self._storage.named_alarms()
            what, changes = schedules.fail(run, alarms, self._now_ms(), random.random())
            self._write(changes, confirm=True)
        except StorageError:
            return "the room starts over, and will run it again"
        return what

    def _write(self, changes: Changes, *, confirm: bool) -> None:
        for name, alarm in changes.items():
            self._storage.change_alarm(name, alarm, allow_unconfirmed=not confirm)

    # The timer

    def _call_in(self, wait_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if not self._is_live or self._in_hand:
            return
        if self._is_careful():
            # An alarm that kills the process must not be taken for one of those events.
            self._call_in(CAREFUL_PAUSE_S)
        elif schedules.due(self._storage.named_alarms(), self._now_ms()) is not None:
            self._put_event(Event(Kind.ALARM, self._own, 0, 0, b""))
        else:
            self.set_timer()

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
