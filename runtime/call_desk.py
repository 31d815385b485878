"""The desk of a gateway where rooms ask for other rooms: calls, and sockets between rooms.

It listens for the room actors of its node and hands what they ask to the gateway's router, which
treats it as what clients send: the room is woken, and what it has not done is sent again when its
process dies. A room that is called is with the clients of this gateway from the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
from collections.abc import Callable

import msgspec

from ..actors import messages
from ..actors.call_errors import CallError, NoSuchParty, RoomUnavailable, pack_error
from ..actors.call_line import calls_address
from ..actors.close_codes import ABNORMAL, TRY_AGAIN_LATER
from ..actors.frames import Kind, pack, pack_parts, unpack_parts
from ..actors.link import Link, listen
from ..actors.messages import Closed, ConnectionRecord, RoomKey
from . import sockets_folder
from .clients import Clients
from .desk_socket import DeskSocket
from .route import PendingEvent, Route
from .router import Router

log = logging.getLogger(__name__)

TOO_MUCH = "the room has too much to do; try again later"

Give = Callable[[bytes], None]  # who gets the payload of a RETURN


class CallDesk:
    """One per gateway."""

    def __init__(
        self, clients: Clients, router: Router, numbers: itertools.count[int], folder: str
    ) -> None:
        """`numbers` are those of the gateway's connections and requests, `folder` is the node's."""
        self._clients = clients
        self._router = router
        self._numbers = numbers
        self._folder = folder
        self._waiting: dict[int, Give] = {}  # by number, for answers; each comes, or fails
        self._sockets: dict[tuple[Link, int], tuple[DeskSocket, Route]] = {}
        self._links: set[Link] = set()
        self._server: asyncio.AbstractServer | None = None

    def __repr__(self) -> str:
        return f"<CallDesk, {len(self._waiting)} waiting, {len(self._sockets)} sockets>"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: If that cannot be done, or the folder of the sockets is not its own.
        """
        sockets_folder.make(self._folder)
        address = calls_address(self._folder)
        self._server = await listen(
            address, self._on_frame, self._on_lost, on_hello=lambda link, _: self._links.add(link)
        )

    def stop(self) -> None:
        """Listen no more, and end the lines: who waits for an answer has to learn it."""
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(calls_address(self._folder))
        for link in list(self._links):
            link.close()

    def ask(self, key: RoomKey, payload: bytes, give: Give) -> None:
        """Take a call to its room; `give` gets the payload of its RETURN, once."""
        try:
            route = self._route(key)
        except CallError as error:
            give(returned(error))
            return
        number = next(self._numbers)
        self._waiting[number] = give
        self._router.send(route, Kind.CALL, number, payload)

    def on_return(self, number: int, payload: bytes) -> None:
        """A room has answered a call."""
        give = self._waiting.pop(number, None)
        if give is not None:
            give(payload)

    def on_event_failed(self, event: PendingEvent, why: str) -> None:
        """A call will not be handled."""
        self.on_return(event.number, returned(RoomUnavailable(why)))

    def _route(self, key: RoomKey) -> Route:
        if key.party not in self._clients.parties:
            known = ", ".join(sorted(self._clients.parties)) or "none"
            raise NoSuchParty(f"there is no party {key.party!r}; deployed: {known}")
        route = self._router.route(key)
        if route.refusing:
            raise RoomUnavailable(TOO_MUCH)
        return route

    # The lines of room actors

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        try:
            if kind == Kind.CALL:
                key, call = _addressed(payload)
                self.ask(key, call, lambda answer: _give(link, number, answer))
            elif kind == Kind.CONNECT:
                self._connect(link, number, *_addressed(payload))
            else:
                self._on_socket_frame(link, kind, number, payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.error("closing %r, which says what cannot be read: %s", link, error)
            link.abort()

    def _connect(self, link: Link, number: int, key: RoomKey, payload: bytes) -> None:
        record = messages.decode(payload, ConnectionRecord)
        try:
            route = self._route(key)
        except CallError as error:
            _give(link, number, returned(error))
            return
        record.number = next(self._numbers)
        socket = DeskSocket(self, link, number, record.number)
        self._sockets[link, number] = (socket, route)
        self._clients.connect(route, record, socket)

    def _on_socket_frame(self, link: Link, kind: int, number: int, payload: bytes) -> None:
        socket, route = self._sockets.get((link, number), (None, None))
        if socket is None or route is None:
            return  # closed from its other end meanwhile
        if kind == Kind.CLOSED:
            closed = messages.decode(payload, Closed)
            socket.left(closed.code, closed.reason, was_clean=closed.was_clean)
        elif route.refusing:
            socket.close(TRY_AGAIN_LATER, TOO_MUCH)
        elif socket.may_speak:
            self._clients.on_message(socket, kind, payload)

    def on_closed(self, socket: DeskSocket, code: int, reason: str, was_clean: bool) -> None:
        """A socket has ended, at either end."""
        self._sockets.pop((socket.link, socket.line_number), None)
        self._clients.on_closed(socket, code, reason, was_clean)

    def _on_lost(self, link: Link) -> None:
        self._links.discard(link)
        for socket, _ in list(self._sockets.values()):
            if socket.link is link:
                socket.left(ABNORMAL, "", was_clean=False)


def returned(error: CallError) -> bytes:
    """The payload of a RETURN that says that a call has failed."""
    head, body = pack_error(error)
    return pack_parts(messages.encode(head), body)


def _addressed(payload: bytes) -> tuple[RoomKey, bytes]:
    key, rest = unpack_parts(payload)
    return messages.decode(key, RoomKey), rest


def _give(link: Link, number: int, answer: bytes) -> None:
    link.write(pack(Kind.RETURN, number=number, payload=answer))
