"""What an application imports from Parlour."""

from .actors import Connection, Request, Response, Room

__all__ = ["Connection", "Request", "Response", "Room"]
