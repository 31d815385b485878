"""What an application imports from Parlour."""

from .actors import (
    AlarmInfo,
    AnswerLost,
    BodyLost,
    CallError,
    CallTimeout,
    ClientError,
    Connection,
    DeadlockError,
    FormFile,
    RemoteError,
    Request,
    Response,
    Room,
    RoomUnavailable,
    Schedule,
    ServerSentEvent,
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
    "DeadlockError",
    "FormFile",
    "RemoteError",
    "Request",
    "Response",
    "Room",
    "RoomUnavailable",
    "Schedule",
    "ServerSentEvent",
    "connect",
    "deploy",
]
