"""What a room actor shows to operators who follow it: each event as it was handled, and log lines.

While nobody follows nothing is noted: one test of `Watch.on` for each event. While somebody does,
at most `SEEN_MAX` are kept until they are sent, and what comes on top is counted as dropped: no
room waits for those who look at it. What clients sent is shown only if that was asked for, and no
more than `CONTENTS_BYTES_MAX` of it.
"""

from __future__ import annotations

import logging
import time
from codecs import getincrementaldecoder
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING

import msgspec

from . import messages
from .frames import Kind, unpack_parts
from .hooks import handle_event
from .mailbox import Event
from .messages import RoomKey

if TYPE_CHECKING:
    from .live_room import LiveRoom
    from .room import Room

SEEN_MAX = 1000  # that wait to be sent
SEND_S = 0.1  # from one sending to the next
CONTENTS_BYTES_MAX = 1024
TEXT_CHARACTERS_MAX = 2000  # of a log line
NAME_CHARACTERS_MAX = 256  # of a path; ids of connections have no more

KINDS = ("connect", "message", "close", "request", "call", "alarm", "log", "error")
_KIND_OF = {
    Kind.CONNECT: "connect",
    Kind.TEXT: "message",
    Kind.BINARY: "message",
    Kind.CLOSED: "close",
    Kind.REPLACED: "close",
    Kind.REQUEST: "request",
    Kind.CALL: "call",
    Kind.ALARM: "alarm",
}

# Whose log line it is: tasks and threads that a hook starts have it from the room's own task.
current_room: ContextVar[RoomKey | None] = ContextVar("current_room", default=None)


class Seen(msgspec.Struct):
    """An event that a room has handled, or a line of its log."""

    kind: str  # of KINDS; "error" is a log line, too. "http": a gateway has answered a request
    at_s: float  # when it began, since the epoch
    party: str = ""
    room: str = ""  # its id; empty for what the process says of itself
    who: str = ""  # the connection; of a request its method and path; of a log line its level
    size_bytes: int = 0
    duration_s: float = 0.0
    text: str = ""  # a log line, or contents


class SeenBatch(msgspec.Struct):
    """What was seen since the last one."""

    seen: list[Seen]
    dropped: int = 0  # that there was no place for


class Watching(msgspec.Struct):
    """The manager's order to a room actor: note what happens, or do no more."""

    on: bool
    contents: bool = False


class Watch:
    """What was seen in this process and is not sent yet."""

    def __init__(self) -> None:
        self.on = False
        self.contents = False
        self._seen: deque[Seen] = deque()  # whose methods are safe among threads
        self._dropped = 0
        self._log = LogWatch(self)

    def __repr__(self) -> str:
        return f"<Watch {'on' if self.on else 'off'}, {len(self._seen)} seen>"

    def set(self, watching: Watching) -> None:
        """Begin, or end; what is not sent by then is dropped."""
        if watching.on and not self.on:
            logging.getLogger().addHandler(self._log)
        elif self.on and not watching.on:
            logging.getLogger().removeHandler(self._log)
            self._seen.clear()
            self._dropped = 0
        self.on, self.contents = watching.on, watching.contents

    def note(self, seen: Seen) -> None:
        """Keep it until it is sent, if there is a place. From any thread."""
        if len(self._seen) < SEEN_MAX:
            self._seen.append(seen)
        else:
            self._dropped += 1

    def take(self) -> SeenBatch | None:
        """What was not sent yet; None if that is nothing."""
        if not self._seen and not self._dropped:
            return None
        dropped, self._dropped = self._dropped, 0
        return SeenBatch([self._seen.popleft() for _ in range(len(self._seen))], dropped)


class LogWatch(logging.Handler):
    """Notes log lines."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._watch.note(_log_line(record, current_room.get()))
        except Exception:
            self.handleError(record)


async def handle_watched(live: LiveRoom, room: Room, event: Event) -> None:
    """Handle one event to its end, as `handle_event` does, and note it."""
    watch = live.watch
    seen = _describe(live.key, event, contents=watch.contents)
    began_s = time.monotonic()
    try:
        pending = handle_event(live, room, event)
        if pending is not None:
            await pending
    finally:
        seen.duration_s = time.monotonic() - began_s
        watch.note(seen)


def _describe(key: RoomKey, event: Event, *, contents: bool) -> Seen:
    kind, payload = event.kind, event.payload
    seen = Seen(_KIND_OF[Kind(kind)], time.time(), key.party, key.id, _who(event))
    if kind in (Kind.TEXT, Kind.BINARY, Kind.REQUEST, Kind.CALL):
        is_whole = kind in (Kind.TEXT, Kind.BINARY)
        body = payload if is_whole else unpack_parts(payload)[1]
        seen.size_bytes = len(body)
        if contents:
            seen.text = _readable(body)
    return seen


def _who(event: Event) -> str:
    if event.kind == Kind.CONNECT:
        return messages.decode(event.payload, messages.ConnectionRecord).id
    if event.kind == Kind.REQUEST:
        head = messages.decode(unpack_parts(event.payload)[0], messages.RequestHead)
        return f"{head.method} {head.path}"[:NAME_CHARACTERS_MAX]
    if event.kind == Kind.CALL:
        call = messages.decode(unpack_parts(event.payload)[0], messages.CallHead)
        request = call.request
        who = call.method if request is None else f"{request.method} {request.path}"
        return who[:NAME_CHARACTERS_MAX]
    connection = event.attachment.connections.get(event.number)
    return connection.id if connection is not None else ""


def _readable(body: bytes) -> str:
    shown = body[:CONTENTS_BYTES_MAX]
    try:
        # One character may be cut in its middle.
        return getincrementaldecoder("utf-8")().decode(shown, final=len(shown) == len(body))
    except UnicodeDecodeError:
        return repr(shown)


def _log_line(record: logging.LogRecord, key: RoomKey | None) -> Seen:
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        text += f": {type(error).__name__}: {error}"
    kind = "error" if record.levelno >= logging.ERROR else "log"
    party, room = (key.party, key.id) if key is not None else ("", "")
    text = text[:TEXT_CHARACTERS_MAX]
    return Seen(kind, record.created, party, room, record.levelname, text=text)
