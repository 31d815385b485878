"""What an application imports from Parlour."""

from .actors import AlarmInfo, Connection, Request, Response, Room, Schedule
from .deploying import deploy

__all__ = ["AlarmInfo", "Connection", "Request", "Response", "Room", "Schedule", "deploy"]
