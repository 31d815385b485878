"""What an application imports from Parlour."""

from .actors import AlarmInfo, Connection, Request, Response, Room, Schedule

__all__ = ["AlarmInfo", "Connection", "Request", "Response", "Room", "Schedule"]
