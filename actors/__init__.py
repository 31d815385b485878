"""The room: what applications subclass, and the room actor that runs it."""

from .connection import Connection, StateTooLarge
from .http import Request, Response
from .room import Room
from .schedules import AlarmInfo, InvalidSchedule, Schedule

__all__ = [
    "AlarmInfo",
    "Connection",
    "InvalidSchedule",
    "Request",
    "Response",
    "Room",
    "Schedule",
    "StateTooLarge",
]
