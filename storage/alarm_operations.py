"""The alarm calls that a room makes; see alarms.py."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from datetime import UTC, datetime

from .alarms import UNNAMED, Alarm, running, time_ms
from .awaitables import DONE, Ready
from .view import View


class AlarmOperations(ABC):
    """Alarms are written in the same flushes and transactions as keys are."""

    @abstractmethod
    def _view(self, operation: str) -> View:
        """Give what `operation` works on, or raise why it cannot."""

    def get_alarm(self) -> Awaitable[datetime | None]:
        """Read when the alarm is due, in UTC; None if there is none."""
        alarm = self._view("get_alarm").alarms.get(UNNAMED)
        return Ready(None if alarm is None else datetime.fromtimestamp(alarm.due_ms / 1000, UTC))

    def set_alarm(
        self, when: datetime | float, *, allow_unconfirmed: bool = False
    ) -> Awaitable[None]:
        """Set the room's one alarm, in place of any other; a time that has passed is due at once.

        `when` is a datetime (one without a time zone is local time) or seconds since the epoch.
        Milliseconds count.

        Raises:
            InvalidArgument: If it is neither of these, not after the epoch, or its year has more
                than four digits.
        """
        alarm = Alarm(time_ms(when, "set_alarm()"))
        self._view("set_alarm").set_alarm(UNNAMED, alarm, confirm=not allow_unconfirmed)
        return DONE

    def delete_alarm(self, *, allow_unconfirmed: bool = False) -> Awaitable[None]:
        """Delete the alarm, if there is one; one that is being run is not tried again."""
        self._delete_alarm(self._view("delete_alarm"), UNNAMED, confirm=not allow_unconfirmed)
        return DONE

    def _delete_alarm(self, view: View, name: str, *, confirm: bool) -> None:
        for kept in (name, running(name)):
            if kept in view.alarms:
                view.set_alarm(kept, None, confirm=confirm)
