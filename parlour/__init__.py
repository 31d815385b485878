"""What an application imports from Parlour."""

from .actors import (
    AlarmInfo,
    AnswerLost,
    CallError,
    CallTimeout,
    Connection,
    DeadlockError,
    RemoteError,
    Request,
    Response,
    Room,
    RoomUnavailable,
    Schedule,
)
from .connecting import connect
from .deploying import deploy

__all__ = [
    "AlarmInfo",
    "AnswerLost",
    "CallError",
    "CallTimeout",
    "Connection",
    "DeadlockError",
    "RemoteError",
    "Request",
    "Response",
    "Room",
    "RoomUnavailable",
    "Schedule",
    "connect",
    "deploy",
]
