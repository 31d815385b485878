"""What a room that lost its claim leaves unsaid, and what its clients are told instead.

An event whose writes are durable is not handled again, wherever the room wakes next: what its hook
had sent and has not left is lost. So whoever was to get it is closed with 1012, "service restart":
a client that connects again learns how things stand, one that waits for an answer would not.
Connections that the room has not let in yet are left alone, as it will meet them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from .attachment import Attachment
from .close_codes import SERVICE_RESTART
from .frames import Head, Kind, head_of, pack, pack_close, payload_of, unpack_broadcast
from .gates import Sink

_REASON = "the room was interrupted and messages to you were lost; connect again"
_TO_ONE = (Kind.SEND_TEXT, Kind.SEND_BINARY, Kind.STANDING, Kind.CLOSE)
_TO_ALL = (Kind.BROADCAST_TEXT, Kind.BROADCAST_BINARY)


def tell_lost(attachments: Iterable[Attachment], waiting: Iterable[tuple[Sink, bytes]]) -> None:
    """Drop what links hold of a room; say what is said instead of that and of `waiting`."""
    waiting = list(waiting)
    for attachment in attachments:
        link, channel = attachment.link, attachment.channel
        is_ours = partial(_is_on, channel)
        dropped = link.drop(is_ours)
        dropped += (frame for sink, frame in waiting if sink is link and is_ours(head_of(frame)))
        link.say_now(*said_instead(attachment, dropped))


def _is_on(channel: int, head: Head) -> bool:
    return head.channel == channel


def said_instead(attachment: Attachment, dropped: Iterable[bytes]) -> list[bytes]:
    """The frames for a gateway, in place of those to it that were dropped."""
    missing: dict[int, None] = {}
    let_in: dict[int, bytes] = {}
    for frame in dropped:
        head = head_of(frame)
        if head.kind in _TO_ONE:
            missing[head.number] = None
        elif head.kind == Kind.ACCEPT:
            let_in[head.number] = frame
        elif head.kind in _TO_ALL:
            without, _ = unpack_broadcast(payload_of(frame))
            missing.update(dict.fromkeys(n for n in attachment.connections if n not in without))
    frames: list[bytes] = []
    for number in missing:
        connection = attachment.connections.get(number)
        if connection is None or connection.is_let_in:
            if number in let_in:  # a client sees a code only once it is in
                frames.append(let_in[number])
            payload = pack_close(SERVICE_RESTART, _REASON)
            frames.append(pack(Kind.CLOSE, attachment.channel, number, 0, payload))
    return frames
