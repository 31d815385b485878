"""The room: what applications subclass, and the room actor that runs it."""

from .call_errors import (
    AnswerLost,
    CallError,
    CallTimeout,
    CallTooLarge,
    DeadlockError,
    NoSuchMethod,
    NoSuchParty,
    RemoteError,
    RoomUnavailable,
)
from .connection import Connection, StateTooLarge
from .http import Request, Response
from .room import Room
from .schedules import AlarmInfo, InvalidSchedule, Schedule

__all__ = [
    "AlarmInfo",
    "AnswerLost",
    "CallError",
    "CallTimeout",
    "CallTooLarge",
    "Connection",
    "DeadlockError",
    "InvalidSchedule",
    "NoSuchMethod",
    "NoSuchParty",
    "RemoteError",
    "Request",
    "Response",
    "Room",
    "RoomUnavailable",
    "Schedule",
    "StateTooLarge",
]
