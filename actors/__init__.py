"""The room: what applications subclass, and the room actor that runs it."""

from .connection import ClientError, Connection, StateTooLarge
from .forms import FormFile
from .http import BodyLost, Request, Response
from .room import Room
from .schedules import AlarmInfo, InvalidSchedule, Schedule
from .server_sent import ServerSentEvent

__all__ = [
    "AlarmInfo",
    "BodyLost",
    "ClientError",
    "Connection",
    "FormFile",
    "InvalidSchedule",
    "Request",
    "Response",
    "Room",
    "Schedule",
    "ServerSentEvent",
    "StateTooLarge",
]
