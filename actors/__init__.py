"""The room: what applications subclass, and the room actor that runs it."""

from .asgi import asgi
from .connection import ClientError, Connection, StateTooLarge
from .edge_hooks import Cron, Lobby
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
    "Cron",
    "FormFile",
    "InvalidSchedule",
    "Lobby",
    "Request",
    "Response",
    "Room",
    "Schedule",
    "ServerSentEvent",
    "StateTooLarge",
    "asgi",
]
