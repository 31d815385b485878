"""The room: what applications subclass, and the room actor that runs it."""

from .asgi import asgi
from .connection import Connection, StateTooLarge
from .edge_hooks import Cron, Lobby
from .http import Request, Response
from .room import Room
from .schedules import AlarmInfo, InvalidSchedule, Schedule

__all__ = [
    "AlarmInfo",
    "Connection",
    "Cron",
    "InvalidSchedule",
    "Lobby",
    "Request",
    "Response",
    "Room",
    "Schedule",
    "StateTooLarge",
    "asgi",
]
