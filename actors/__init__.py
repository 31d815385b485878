"""The room: what applications subclass, and the room actor that runs it."""

from .asgi import asgi
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
from .edge_hooks import Cron, Lobby
from .forms import FormFile
from .request import BodyLost, Request
from .response import Response
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
    "Cron",
    "DeadlockError",
    "FormFile",
    "InvalidSchedule",
    "Lobby",
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
    "asgi",
]
