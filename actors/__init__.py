"""The room: what applications subclass, and the room actor that runs it."""

from .connection import Connection, StateTooLarge
from .http import Request, Response
from .room import Room

__all__ = ["Connection", "Request", "Response", "Room", "StateTooLarge"]
