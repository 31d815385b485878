"""Asks `on_before_connect` about clients that want a WebSocket, and lets them on to their rooms."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from ..actors.counts import GatewayCounts
from ..actors.edge_hooks import BEFORE_CONNECT
from ..actors.messages import RequestHead, RoomKey
from ..actors.tasks import Tasks
from . import handshake
from .admission import Asked, NotLetIn, admit
from .client_socket import ClientSocket
from .edge_client import EdgeClient
from .handshake import BadHandshake, connection_id
from .request_notes import RequestNotes

Connect = Callable[[ClientSocket, RoomKey, str, RequestHead], None]


class Doorman:
    """Of one gateway. Who waits for its answer has met no room yet."""

    def __init__(
        self, edge: EdgeClient, connect: Connect, counts: GatewayCounts, notes: RequestNotes
    ) -> None:
        """`connect` takes a client to its room: its key, the connection's id, the request."""
        self._edge = edge
        self._connect = connect
        self._counts = counts
        self._notes = notes
        self._tasks = Tasks("the doorman")

    def __repr__(self) -> str:
        return f"<Doorman {len(self._tasks)} asked>"

    def ask(self, socket: ClientSocket, asked: Asked, hook_s_max: float) -> None:
        """Begin to ask about a client."""
        self._tasks.spawn(self._ask(socket, asked, hook_s_max))

    def stop(self) -> None:
        """Ask no more."""
        self._tasks.cancel()

    async def _ask(self, socket: ClientSocket, asked: Asked, hook_s_max: float) -> None:
        try:
            head, _ = await admit(self._edge, BEFORE_CONNECT, asked, hook_s_max)
            client_id = connection_id(head.url.partition("?")[2])
        except NotLetIn as refused:
            status, answer = refused.head.status, handshake.answer(refused.head, refused.body)
        except BadHandshake as error:  # an id that the hook has chosen
            status, answer = error.status, handshake.refusal(error.status, str(error))
        else:
            if not socket.gone:
                self._connect(socket, asked.address.key, client_id, head)
            return
        if not socket.gone:
            self._counts.refused += 1
            self._notes.note("GET", urlsplit(asked.head.url).path, status)
            socket.refuse(answer)
