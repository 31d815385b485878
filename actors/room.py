"""`Room`: what an application subclasses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from ..storage import Storage
from .connection import Connection
from .http import Request, Response

if TYPE_CHECKING:
    from .messages import RoomKey


class RoomContext(Protocol):
    """The few things that a room needs from what runs it."""

    @property
    def key(self) -> RoomKey: ...

    @property
    def storage(self) -> Storage: ...

    def open_connections(self) -> list[Connection]: ...

    def broadcast(self, message: str | bytes, without: Iterable[str]) -> None: ...


class Room:
    """A small stateful server: one per chat, document, game or device.

    There is one live instance per party and id. Its hooks are called one at a time; each may be
    `def` or `async def`. Attributes are lost when the room hibernates; `storage` and the
    connections' states are not. A hook that raises is logged and the room goes on.
    """

    hibernate_after: float = 10.0
    """Seconds without an event after which the room leaves its process. Its sockets stay open."""

    _context: RoomContext

    @classmethod
    def _build(cls, context: RoomContext) -> Room:
        # Before __init__, so that a room's own __init__ may already use id, name and storage.
        room = cls.__new__(cls)
        room._context = context
        room.__init__()  # type: ignore[misc]
        return room

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._context.key}>"

    @property
    def id(self) -> str:
        """The room's id, decoded from the URL."""
        return self._context.key.id

    @property
    def name(self) -> str:
        """The room's party: the name under which its class is deployed."""
        return self._context.key.party

    @property
    def storage(self) -> Storage:
        """The room's own key-value storage."""
        return self._context.storage

    def connections(self) -> list[Connection]:
        """The open connections, oldest first."""
        return self._context.open_connections()

    def broadcast(self, message: str | bytes, without: Iterable[str] = ()) -> None:
        """Send to every open connection but those whose ids are listed.

        Never blocks; leaves once every earlier write is durable, like `Connection.send`.

        Raises:
            TypeError: If `message` is neither str nor bytes, or `without` is a str.
            ValueError: If the message is over the limit that `Connection.send` has.
        """
        self._context.broadcast(message, without)

    # Hooks

    def on_start(self) -> Any:
        """Runs before any other hook, at first use and after every wake.

        If it raises, the event that woke the room fails and the next one tries again.
        """

    def on_connect(self, connection: Connection, request: Request) -> Any:
        """A client wants in. It is let in when this returns; what is sent here arrives first.

        If it raises, the connection is closed with 1011.
        """

    def on_message(self, connection: Connection, message: str | bytes) -> Any:
        """A message came: text as str, binary as bytes. If it raises, the connection stays."""

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> Any:
        """A connection has ended, and is not among `connections()` any more.

        Runs once per connection; `code` is 1006 and `was_clean` False for one that was lost.
        """

    def on_request(self, request: Request) -> Any:
        """An HTTP request to the room. Return a `Response`, str, bytes or a dict (JSON).

        If it raises, the client gets status 500 and not the reason.
        """
        return Response("this room answers no HTTP requests: it has no on_request\n", 404)
