"""What an application imports from Parlour."""

from .actors import (
    AlarmInfo,
    AnswerLost,
    BodyLost,
    CallError,
    CallTimeout,
    ClientError,
    Connection,
    Cron,
    DeadlockError,
    FormFile,
    Lobby,
    RemoteError,
    Request,
    Response,
    Room,
    RoomUnavailable,
    Schedule,
    ServerSentEvent,
    asgi,
)
from .connecting import connect
from .deploying import deploy

__all__ = [
    "AlarmInfo",
    "AnswerLost",
    "BodyLost",
    "CallError",
    "CallTimeout",
    "ClientError",
    "Connection",
    "Cron",
    "DeadlockError",
    "FormFile",
    "Lobby",
    "RemoteError",
    "Request",
    "Response",
    "Room",
    "RoomUnavailable",
    "Schedule",
    "ServerSentEvent",
    "asgi",
    "connect",
    "deploy",
]
