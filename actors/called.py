"""A call as the called room handles it: one event, one public method, one answer.

The answer leaves through the room's output gate: who called never sees an effect that is not
durable. What a method raises goes to whoever called, without its traceback, which is logged here.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..storage import DataCloneError, DecodeError, decode, encode
from . import messages
from .call_errors import (
    AnswerLost,
    CallError,
    CallTimeout,
    CallTooLarge,
    NoSuchMethod,
    RemoteError,
    pack_error,
)
from .calls import CALL_BYTES_MAX, checked_size
from .chain import errand
from .frames import Kind, pack, pack_parts, unpack_parts
from .headers import header_pairs
from .mailbox import Event
from .messages import CallHead, RequestHead, ResponseHead, Returned
from .request import Request
from .response import Response, as_response, refusal_of
from .room import Room

if TYPE_CHECKING:
    from .live_room import LiveRoom

log = logging.getLogger(__name__)

CallHook = Callable[..., Any]


async def handle_call(live: LiveRoom, room: Room, event: Event, call_hook: CallHook) -> None:
    """Handle one CALL event to its end; `call_hook` calls what may be `def` or `async def`."""
    head_data, body = unpack_parts(event.payload)
    head = messages.decode(head_data, CallHead)
    with errand((*head.chain, live.hop)):
        if head.request is not None:
            _answer(live, event, *await _respond(live, room, head.request, body, call_hook))
            return
        try:
            method = public_method(room, head.method)
            args, kwargs = _unpack_arguments(body)
            result = await call_hook(partial(method, *args, **kwargs))
        except CallError as error:
            _answer(live, event, *pack_error(error))
        except Exception as error:
            key = live.key
            log.warning(
                "party %s, room %s: %s raised, as its caller is told",
                key.party,
                key.quoted_id,
                head.method,
                exc_info=error,
            )
            _answer(live, event, *pack_error(error))
        else:
            _answer(live, event, *_pack_result(result, head.method))


def tell_answer_lost(live: LiveRoom, event: Event) -> None:
    """The call was handled by a process that died before its answer had left."""
    error = AnswerLost(f"room {live.key} has done what was asked; its answer was lost")
    _answer(live, event, *pack_error(error))


def tell_call_timeout(live: LiveRoom, event: Event) -> None:
    """The method was cancelled."""
    error = CallTimeout(f"room {live.key} took too long and was cancelled")
    _answer(live, event, *pack_error(error))


def public_method(room: Room, name: str) -> Callable[..., Any]:
    """The method that others may call by this name.

    Raises:
        NoSuchMethod: If there is none; says which there are.
    """
    function = public_methods(type(room)).get(name)
    if function is None:
        known = ", ".join(sorted(public_methods(type(room)))) or "none"
        raise NoSuchMethod(
            f"room {room._context.key} has no public method {name[:80]!r}; it has: {known}"
        )
    bound: Callable[..., Any] = function.__get__(room)
    return bound


def public_methods(room_class: type[Room]) -> dict[str, Any]:
    """The functions that others may call, by name; see `Stub`."""
    found: dict[str, Any] = {}
    for each in reversed(room_class.__mro__):
        for name, value in vars(each).items():
            if name.startswith("_") or hasattr(Room, name):
                continue
            if inspect.isfunction(value):
                found[name] = value
            else:
                found.pop(name, None)  # overridden by what is no method
    return found


async def _respond(
    live: LiveRoom, room: Room, head: RequestHead, body: bytes, call_hook: CallHook
) -> tuple[Returned, bytes]:
    request = Request(head.method, head.url, head.path, head.headers, body)
    try:
        response = as_response(await call_hook(room.on_request, request))
        body = await call_hook(_whole, response)
    except _TooLong:
        why = f"the room's answer is over {CALL_BYTES_MAX:,} bytes; fetch it over HTTP"
        return pack_error(CallTooLarge(why))
    except Exception as error:
        refusal = refusal_of(request, error)
        if refusal is None:
            key = live.key
            log.exception("party %s, room %s: on_request raised", key.party, key.quoted_id)
        response = refusal or Response("the room failed to answer this request\n", 500)
        body = response.body
    returned = ResponseHead(response.status, header_pairs(response.headers))
    return Returned(response=returned), body


class _TooLong(Exception):
    """An answer that is longer than what a call may bring."""


async def _whole(response: Response) -> bytes:
    """The body, also of an answer that streams: a call is answered at once."""
    body = bytearray()
    async with contextlib.aclosing(response.pieces()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > CALL_BYTES_MAX:
                raise _TooLong
    return bytes(body)


def _unpack_arguments(body: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        arguments = decode(body)
    except DecodeError as error:
        raise CallError(f"the arguments cannot be read: {error.problem}") from None
    if isinstance(arguments, tuple) and len(arguments) == 2:
        args, kwargs = arguments
        if (
            isinstance(args, tuple)
            and isinstance(kwargs, dict)
            and all(isinstance(name, str) for name in kwargs)
        ):
            return args, kwargs
    raise CallError("the arguments of a call are a tuple and a dict")


def _pack_result(result: object, method: str) -> tuple[Returned, bytes]:
    try:
        return Returned(), checked_size(encode(result), f"a result of {method}")
    except DataCloneError as error:
        problem = RemoteError("DataCloneError", f"what {method} returned cannot travel: {error}")
        return pack_error(problem)
    except CallError as error:
        return pack_error(error)


def _answer(live: LiveRoom, event: Event, returned: Returned, body: bytes) -> None:
    payload = pack_parts(messages.encode(returned), body)
    frame = pack(Kind.RETURN, event.attachment.channel, event.number, 0, payload)
    live.output.send(event.attachment.link, frame)
