"""Which clients are closed in place of what they missed."""

from __future__ import annotations

from typing import cast

from parlour.actors.attachment import Attachment
from parlour.actors.connection import Connection, Outlet
from parlour.actors.frames import Kind, head_of, pack, pack_broadcast, unpack_close
from parlour.actors.link import Link
from parlour.actors.unsaid import said_instead

from .staging import record

CHANNEL = 7


def attachment(*let_in: int, coming: int | None = None) -> Attachment:
    """A gateway with connections that were let in, and one whose `on_connect` is not done."""
    made = Attachment(cast(Link, None), CHANNEL, "g1", 0)
    for number in (*let_in, *([] if coming is None else [coming])):
        accepted = number != coming
        made.connections[number] = Connection(
            cast(Outlet, None), made, record(number), accepted=accepted
        )
    return made


def said(made: Attachment, *dropped: bytes) -> list[tuple[Kind, int]]:
    """Kinds and numbers of what is said instead."""
    frames = [head_of(frame) for frame in said_instead(made, dropped)]
    assert all(frame.channel == CHANNEL for frame in frames)
    return [(Kind(frame.kind), frame.number) for frame in frames]


def to(kind: Kind, number: int, payload: bytes = b"") -> bytes:
    return pack(kind, CHANNEL, number, 0, payload)


def test_who_misses_a_message_is_closed_once() -> None:
    """However many they were, with the code that asks to connect again."""
    made = attachment(1, 2, 3)
    dropped = [to(Kind.SEND_TEXT, 1), to(Kind.SEND_BINARY, 2), to(Kind.SEND_TEXT, 1)]
    assert said(made, *dropped) == [(Kind.CLOSE, 1), (Kind.CLOSE, 2)]
    code, reason = unpack_close(said_instead(made, dropped)[0][21:])
    assert code == 1012
    assert "connect again" in reason
    assert len(reason.encode()) <= 123


def test_who_misses_a_broadcast_is_closed_unless_it_was_left_out() -> None:
    """A broadcast is for all that are there."""
    frame = pack(Kind.BROADCAST_TEXT, CHANNEL, 0, 0, pack_broadcast([2], b"news"))
    assert said(attachment(1, 2, 3), frame) == [(Kind.CLOSE, 1), (Kind.CLOSE, 3)]


def test_who_misses_a_change_of_its_state_or_its_close_is_closed() -> None:
    """The next room actor would take it for what it was before."""
    made = attachment(1)
    assert said(made, to(Kind.STANDING, 1), to(Kind.CLOSE, 2)) == [(Kind.CLOSE, 1), (Kind.CLOSE, 2)]


def test_a_client_that_is_let_in_by_what_was_dropped_is_let_in_to_be_closed() -> None:
    """It sees a code only once it is in; one that missed nothing is let in by the next room."""
    made = attachment(1, 2)
    dropped = [to(Kind.ACCEPT, 1), to(Kind.ACCEPT, 2), to(Kind.SEND_TEXT, 1)]
    assert said(made, *dropped) == [(Kind.ACCEPT, 1), (Kind.CLOSE, 1)]


def test_what_will_be_said_again_closes_nobody() -> None:
    """Events that are not done come again: requests, and connections that are being let in."""
    made = attachment(1, coming=2)
    again = [to(kind, 0) for kind in (Kind.READY, Kind.DONE, Kind.RESPONSE, Kind.TAKEN)]
    assert said(made, *again, to(Kind.SEND_TEXT, 2)) == []
