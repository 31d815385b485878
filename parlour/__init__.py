"""What an application imports from Parlour."""

from .actors import (
    AlarmInfo,
    BodyLost,
    ClientError,
    Connection,
    FormFile,
    Request,
    Response,
    Room,
    Schedule,
    ServerSentEvent,
)
from .deploying import deploy

__all__ = [
    "AlarmInfo",
    "BodyLost",
    "ClientError",
    "Connection",
    "FormFile",
    "Request",
    "Response",
    "Room",
    "Schedule",
    "ServerSentEvent",
    "deploy",
]
