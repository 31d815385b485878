"""A client for Python programs: sockets to rooms that come back by themselves, and requests.

Needs neither Ray nor Redis, and talks to a gateway as a browser does: edge hooks run, and no token
is needed. Programs that may do what a room may use `parlour.connect`.
"""

from .runtime.reconnecting import RECONNECT_CODES, Backoff, BufferFull, RoomRefused
from .runtime.room_fetch import fetch
from .runtime.room_socket import BUFFER_BYTES_MAX, RoomSocket

__all__ = [
    "BUFFER_BYTES_MAX",
    "RECONNECT_CODES",
    "Backoff",
    "BufferFull",
    "RoomRefused",
    "RoomSocket",
    "fetch",
]
