"""What an application imports from Parlour."""

from .actors import (
    AlarmInfo,
    Connection,
    Cron,
    Lobby,
    Request,
    Response,
    Room,
    Schedule,
    asgi,
)
from .deploying import deploy

__all__ = [
    "AlarmInfo",
    "Connection",
    "Cron",
    "Lobby",
    "Request",
    "Response",
    "Room",
    "Schedule",
    "asgi",
    "deploy",
]
