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
from .connection import ClientError, Connection, StateTooLarge
from .forms import FormFile
from .http import BodyLost, Request, Response
from .room import Room
from .schedules import AlarmInfo, InvalidSchedule, Schedule
from .server_sent import ServerSentEvent

__all__ = [
    "AlarmInfo",
    "AnswerLost",
    "BodyLost",
    "CallError",
    "CallTimeout",
    "CallTooLarge",
    "ClientError",
    "Connection",
    "DeadlockError",
    "FormFile",
    "InvalidSchedule",
    "NoSuchMethod",
    "NoSuchParty",
    "RemoteError",
    "Request",
    "Response",
    "Room",
    "RoomUnavailable",
    "Schedule",
    "ServerSentEvent",
    "StateTooLarge",
]
