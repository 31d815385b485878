"""One event, one hook: what each kind of event does to the room's connections and which hook it
calls. A hook that raises is logged with party, room and hook; clients never see why.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from . import messages
from .called import handle_call, tell_answer_lost, tell_call_timeout
from .chain import Errand, current_errand, errand
from .close_codes import INTERNAL_ERROR
from .connection import REPLACED, REPLACED_REASON, ClientError, Connection
from .frames import BINARY, TEXT, Kind, pack, pack_parts, unpack_parts
from .headers import header_pairs
from .mailbox import Event
from .request import BodyLost, Request
from .response import Response, as_response, refusal_of
from .room import Room

if TYPE_CHECKING:
    from .live_room import LiveRoom

log = logging.getLogger(__name__)

STREAMS_MAX = 1000  # answers that one room streams at a time


class HookCancelled(Exception):
    """A hook ended in a CancelledError although nobody cancelled it: what it awaited was."""


class HookExited(Exception):
    """A hook raised what is no Exception.

    SystemExit and KeyboardInterrupt would end the process of its room, and all else (a panic of a
    library in Rust, a group of such) the task that handles the room's events.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"a hook raised {type(error).__name__}, which is no Exception")


async def call_hook(hook: Callable[..., Any], *args: object) -> Any:
    """Call a hook that may be `def` or `async def`.

    Raises:
        Exception: What the hook raised, or HookCancelled, or HookExited.
        CancelledError: If the task that calls it was cancelled.
    """
    try:
        result = hook(*args)
        return await result if inspect.isawaitable(result) else result
    except asyncio.CancelledError as error:
        if being_cancelled():
            raise
        raise HookCancelled("something that the hook awaited was cancelled") from error
    except Exception:
        raise
    except BaseException as error:
        raise HookExited(error) from error


def being_cancelled() -> bool:
    """Whether a CancelledError is meant for this task, and not the end of what it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def take_cancellation() -> None:
    """This task's cancellation has done its work: time limits of what follows end as usual.

    Python before 3.11.4 raises CancelledError at a time limit inside a task that was cancelled.
    """
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def handle_event(live: LiveRoom, room: Room, event: Event) -> Awaitable[None] | None:
    """Handle one event; what is returned, if it is not None, is to be awaited to its end."""
    kind = event.kind
    if kind == TEXT:
        return _message(live, room, event, event.payload.decode())
    if kind == BINARY:
        return _message(live, room, event, event.payload)
    return _handle_other(live, room, event)


async def _handle_other(live: LiveRoom, room: Room, event: Event) -> None:
    kind = event.kind
    if kind == Kind.CONNECT:
        await _connect(live, room, event)
    elif kind == Kind.CALL:
        await handle_call(live, room, event, call_hook)
    else:
        with errand(live.own_chain):
            await _handle_unasked(live, room, event)


async def _handle_unasked(live: LiveRoom, room: Room, event: Event) -> None:
    """Handle an event for which no other room waits."""
    if event.kind == Kind.CLOSED:
        await _closed(live, room, event)
    elif event.kind == Kind.REPLACED:
        older = event.attachment.connections.get(event.number)
        if older is not None:
            await _replace(live, room, older)
    elif event.kind == Kind.ALARM:
        has_hook = type(room).on_alarm is not Room.on_alarm
        await live.alarms.run_due(event, partial(call_hook, room.on_alarm) if has_hook else None)
    else:
        await _request(live, room, event)


def _message(
    live: LiveRoom, room: Room, event: Event, message: str | bytes
) -> Awaitable[None] | None:
    # Not through call_hook: this is the path of every message, and most hooks end at once.
    connection = event.attachment.connections.get(event.number)
    if connection is None or connection.closing:
        return None
    try:
        result = room.on_message(connection, message)
    except BaseException:  # nothing that a hook raises may end the task that handles all events
        _log_raised(live, "on_message")
        return None
    if result is not None and inspect.isawaitable(result):
        return _finish_message(live, result)
    return None


async def _finish_message(live: LiveRoom, result: Awaitable[object]) -> None:
    on_hand = Errand(live.own_chain)
    current_errand.set(on_hand)
    try:
        await result
    except asyncio.CancelledError:
        if being_cancelled():
            raise
        _log_raised(live, "on_message")
    except BaseException:
        _log_raised(live, "on_message")
    finally:
        on_hand.ended = True


async def _connect(live: LiveRoom, room: Room, event: Event) -> None:
    record = messages.decode(event.payload, messages.ConnectionRecord)
    older = live.attachments.admit(event.attachment, record)
    live.attachments.met(event.attachment)
    connection = event.attachment.connections[event.number]
    if older is not None:
        await _replace(live, room, older)
        if connection.closing:  # by a newer one yet, while others had their turn
            connection.accept()
            return
    connection.take()
    try:
        request = connection.request()
        with errand((*record.chain, live.hop)):
            connection.tag(await call_hook(room.get_connection_tags, connection, request))
            await call_hook(room.on_connect, connection, request)
    except Exception:
        _log_raised(live, "on_connect")
        connection.accept()
        connection.close(INTERNAL_ERROR, "the room could not take this connection")
        # With interleaving, the client may have left meanwhile.
        live.attachments.part(event.attachment, event.number)
        return
    connection.accept()


async def _replace(live: LiveRoom, room: Room, older: Connection) -> None:
    """Close a connection of which a newer one has the id, and tell the room now.

    Not when its client has heard of it: by then `on_connect` of the newer one has run, and what the
    room keeps by id would be cleared away under the newer one.
    """
    older.replace()
    live.attachments.part(older.attachment, older.number)
    try:
        with errand(live.own_chain):
            await call_hook(room.on_close, older, REPLACED, REPLACED_REASON, True)
    except Exception:
        _log_raised(live, "on_close")


async def _closed(live: LiveRoom, room: Room, event: Event) -> None:
    connection = live.attachments.part(event.attachment, event.number)
    if connection is None or live.attachments.has_come_back(connection):
        return
    connection.closing = True
    closed = messages.decode(event.payload, messages.Closed)
    if closed.failure:
        try:
            error = ClientError(closed.failure, closed.failure_reason)
            await call_hook(room.on_error, connection, error)
        except Exception:
            _log_raised(live, "on_error")
    try:
        await call_hook(room.on_close, connection, closed.code, closed.reason, closed.was_clean)
    except Exception:
        _log_raised(live, "on_close")


async def _request(live: LiveRoom, room: Room, event: Event) -> None:
    head_data, body = unpack_parts(event.payload)
    head = messages.decode(head_data, messages.RequestHead)
    stream = live.streams.body(event) if head.streamed else None
    request = Request(head.method, head.url, head.path, head.headers, stream or body)
    try:
        if stream is not None and not await stream.begin():
            return  # a room actor died reading it, and the client was told
        _respond(live, event, as_response(await call_hook(room.on_request, request)), head.method)
    except BodyLost as error:
        log.info("party %s, room %s: %s", live.key.party, live.key.quoted_id, error)
        _respond(live, event, Response("the body did not come whole\n", 400))
    except Exception as error:
        response = refusal_of(request, error)
        if response is None:
            _log_raised(live, "on_request")
            response = Response("the room failed to answer this request\n", 500)
        _respond(live, event, response)
    finally:
        if stream is not None:
            live.streams.forget_body(event)


def tell_handled(live: LiveRoom, event: Event) -> None:
    """Tell a client what a process that died had no time to: its event is handled and durable."""
    if event.kind == Kind.REQUEST:
        _respond(live, event, Response("the request was handled, its answer was lost\n", 500))
    elif event.kind == Kind.CONNECT:
        record = messages.decode(event.payload, messages.ConnectionRecord)
        older = live.attachments.admit(event.attachment, record)
        live.attachments.met(event.attachment)
        if older is not None:
            older.replace()
            live.attachments.part(older.attachment, older.number)
        connection = event.attachment.connections[event.number]
        connection.take()
        connection.accept()
    elif event.kind == Kind.CLOSED:
        live.attachments.part(event.attachment, event.number)
    elif event.kind == Kind.CALL:
        tell_answer_lost(live, event)


def tell_timeout(live: LiveRoom, event: Event) -> None:
    """Tell whoever sent an event that its hook was cancelled."""
    connection = event.attachment.connections.get(event.number)
    if event.kind == Kind.REQUEST:
        _respond(live, event, Response("the room took too long to answer\n", 504))
    elif event.kind == Kind.CALL:
        tell_call_timeout(live, event)
    elif connection is not None:
        if event.kind == Kind.CONNECT:
            connection.accept()
            live.attachments.part(event.attachment, event.number)
        connection.close(INTERNAL_ERROR, "the room took too long")


def _respond(live: LiveRoom, event: Event, response: Response, method: str = "GET") -> None:
    streamed = response.streamed and method != "HEAD"
    if streamed and len(live.streams) >= STREAMS_MAX:
        response, streamed = Response("the room streams too many answers already\n", 503), False
    head = messages.ResponseHead(response.status, header_pairs(response.headers), streamed)
    payload = pack_parts(messages.encode(head), response.body)
    frame = pack(Kind.RESPONSE, event.attachment.channel, event.number, 0, payload)
    live.output.send(event.attachment.link, frame)
    if streamed:
        live.streams.answer(event, response)


def _log_raised(live: LiveRoom, hook: str) -> None:
    log.exception("party %s, room %s: %s raised", live.key.party, live.key.quoted_id, hook)
