"""What an application imports from Parlour."""

from .actors import (
    AlarmInfo,
    BodyLost,
    ClientError,
    Connection,
    Cron,
    FormFile,
    Lobby,
    Request,
    Response,
    Room,
    Schedule,
    ServerSentEvent,
    asgi,
)
from .deploying import deploy

__all__ = [
    "AlarmInfo",
    "BodyLost",
    "ClientError",
    "Connection",
    "Cron",
    "FormFile",
    "Lobby",
    "Request",
    "Response",
    "Room",
    "Schedule",
    "ServerSentEvent",
    "asgi",
    "deploy",
]
