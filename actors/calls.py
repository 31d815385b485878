"""What one room asks of others: calls, requests and sockets, each let out by its output gate.

A call leaves once the writes that the room made before it are durable; calls of a room leave in the
order in which they were made. Each has a time limit and a size limit, and a room has so many that
wait for an answer. When the room leaves its process, what waits fails and its sockets close.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..storage import decode, encode
from . import messages
from .call_errors import CallError, CallTimeout, CallTooLarge, RoomUnavailable, unpack_error
from .chain import chain_to
from .close_codes import GOING_AWAY
from .frames import Kind, pack_parts, unpack_parts
from .messages import CallHead, ConnectionRecord, RequestHead, Returned, RoomKey
from .outgoing_socket import OutgoingSocket
from .response import Response

if TYPE_CHECKING:
    from .gates import OutputGate

CALL_TIMEOUT_S = 20.0  # below the limit of a hook, so that the hook learns of it
CALL_BYTES_MAX = 16 * 1024 * 1024  # of the arguments of a call, a request's body, or a result
UNANSWERED_MAX = 10_000  # questions of one room
UNANSWERED_BYTES_MAX = 64 * 1024 * 1024


class Question:
    """Something that is asked of another room, until it is answered.

    Attributes:
        answer: What comes of it.
        socket: What the room's words are for, if a socket is asked for.
    """

    def __init__(
        self,
        line: Line,
        key: RoomKey,
        kind: Kind,
        payload: bytes,
        read: Callable[[bytes], Any],
        timeout_s: float,
        socket: OutgoingSocket | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.key = key
        self.kind = kind
        self.payload = payload
        self.socket = socket
        self.answer: asyncio.Future[Any] = loop.create_future()
        self._line = line
        self._read = read
        self._timeout_s = timeout_s
        self._timer = loop.call_later(timeout_s, self._expire)
        self.answer.add_done_callback(lambda _: self._timer.cancel())

    def __repr__(self) -> str:
        return f"<Question to {self.key}>"

    def write(self, frame: bytes) -> None:
        """The output gate lets it out."""
        if not self.answer.done():
            self._line.ask(self)

    def answered(self, payload: bytes) -> None:
        """The room has answered."""
        if not self.answer.done():
            try:
                self.answer.set_result(self._read(payload))
            except Exception as error:
                self.answer.set_exception(error)

    def failed(self, error: Exception) -> None:
        """There will be no answer."""
        if not self.answer.done():
            self.answer.set_exception(error)

    def _expire(self) -> None:
        self.failed(
            CallTimeout(
                f"room {self.key} did not answer within {self._timeout_s:g} s; what it was asked "
                "may have been done, or will be; two rooms that call each other at the same moment "
                "wait like this, too"
            )
        )


class Line(Protocol):
    """Takes questions to other rooms."""

    @property
    def parties(self) -> Collection[str]:
        """Those that are deployed."""

    def ask(self, question: Question) -> None:
        """Take a question to its room; it is told what comes of it."""


class RoomCalls:
    """What one live room asks of others."""

    def __init__(self, line: Line | None, gate: Callable[[], OutputGate]) -> None:
        """`gate` is the room's output gate; without a line no other room can be reached."""
        self._line = line
        self._gate = gate
        self._questions: set[Question] = set()
        self._unanswered_bytes = 0
        self._sockets: set[OutgoingSocket] = set()
        self._over = False

    def __repr__(self) -> str:
        return f"<RoomCalls, {len(self._questions)} unanswered, {len(self._sockets)} sockets>"

    @property
    def busy(self) -> bool:
        """Whether answers are waited for or sockets are open, which would be lost."""
        return bool(self._questions or self._sockets)

    @property
    def parties(self) -> Collection[str]:
        """Those whose rooms may be called."""
        return self._usable_line().parties

    def call(
        self, key: RoomKey, method: str, arguments: bytes, timeout_s: float
    ) -> asyncio.Future[Any]:
        """Call a method of another room; `arguments` are encoded: a tuple and a dict."""
        head = CallHead(method, chain=chain_to(key))
        payload = pack_parts(messages.encode(head), arguments)
        return self._ask(key, Kind.CALL, payload, read_result, timeout_s).answer

    def fetch(
        self, key: RoomKey, request: RequestHead, body: bytes, timeout_s: float
    ) -> asyncio.Future[Response]:
        """Send a request to another room."""
        head = CallHead("", request, chain_to(key))
        payload = pack_parts(messages.encode(head), body)
        return self._ask(key, Kind.CALL, payload, read_response, timeout_s).answer

    async def connect(
        self, key: RoomKey, request: RequestHead, connection_id: str | None, timeout_s: float
    ) -> OutgoingSocket:
        """Open a socket to another room; returns when that has let it in."""
        chain = chain_to(key)
        name = connection_id or str(uuid.uuid4())
        record = ConnectionRecord(
            0, name, request.url, request.headers, path=request.path, chain=chain
        )
        socket = OutgoingSocket(record.id, self._gate, self._sockets.discard)

        def read(payload: bytes) -> OutgoingSocket:
            if payload:
                read_result(payload)  # raises what has come instead
            return socket

        question = self._ask(
            key, Kind.CONNECT, messages.encode(record), read, timeout_s, socket=socket
        )
        self._sockets.add(socket)
        try:
            await question.answer
        except BaseException:
            socket.leave(GOING_AWAY, "nobody waits for it any more")
            raise
        return socket

    def end(self) -> None:
        """The room leaves its process, in good order or not."""
        self._over = True
        for question in list(self._questions):
            if not question.answer.done():
                question.failed(CallError("the room that asked has left its process"))
                # Nobody may be left to look at it: hooks that waited were cancelled.
                question.answer.exception()
        for socket in list(self._sockets):
            socket.leave(GOING_AWAY, "the room has left its process")

    def _ask(
        self,
        key: RoomKey,
        kind: Kind,
        payload: bytes,
        read: Callable[[bytes], Any],
        timeout_s: float,
        *,
        socket: OutgoingSocket | None = None,
    ) -> Question:
        line = self._usable_line()
        size_bytes = len(payload)
        if len(self._questions) >= UNANSWERED_MAX:
            raise RoomUnavailable(f"{UNANSWERED_MAX} calls of this room wait for their answers")
        if self._unanswered_bytes + size_bytes > UNANSWERED_BYTES_MAX:
            raise RoomUnavailable(
                f"calls of this room that wait for their answers take {self._unanswered_bytes} "
                f"bytes, with this one over {UNANSWERED_BYTES_MAX}; await some first"
            )
        question = Question(line, key, kind, payload, read, timeout_s, socket)
        self._questions.add(question)
        self._unanswered_bytes += size_bytes
        question.answer.add_done_callback(lambda _: self._forget(question))
        self._gate().send(question, payload)
        return question

    def _forget(self, question: Question) -> None:
        self._questions.discard(question)
        self._unanswered_bytes -= len(question.payload)

    def _usable_line(self) -> Line:
        if self._over:
            raise CallError("the room that asks has left its process")
        if self._line is None:
            raise CallError("no other room can be reached from here: no gateway is there")
        return self._line


def pack_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    """The arguments of a call as they travel: copies.

    Raises:
        DataCloneError: If one is not storable.
        CallTooLarge: If they are over `CALL_BYTES_MAX`.
    """
    return checked_size(encode((args, dict(kwargs))), "arguments")


def checked_size(data: bytes, what: str) -> bytes:
    """`data`, if it may travel.

    Raises:
        CallTooLarge: If it is over `CALL_BYTES_MAX`.
    """
    if len(data) > CALL_BYTES_MAX:
        raise CallTooLarge(f"{what} of {len(data):,} bytes, the most is {CALL_BYTES_MAX:,}")
    return data


def read_result(payload: bytes) -> Any:
    """What a method returned.

    Raises:
        Exception: What it raised, or a CallError.
    """
    head, body = unpack_parts(payload)
    returned = messages.decode(head, Returned)
    if returned.failure:
        raise unpack_error(returned, body)
    return decode(body)


def read_response(payload: bytes) -> Response:
    """What a room answered to a request.

    Raises:
        CallError: If it did not.
    """
    head, body = unpack_parts(payload)
    returned = messages.decode(head, Returned)
    if returned.failure or returned.response is None:
        raise unpack_error(returned, body)
    response = Response(body, returned.response.status)
    response.headers.clear()
    response.headers.extend(returned.response.headers)
    return response
