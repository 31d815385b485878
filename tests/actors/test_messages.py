"""The structured payloads: what is decoded is one of ours, or refused."""

from __future__ import annotations

import msgspec
import pytest
from parlour.actors import messages
from parlour.actors.messages import (
    Attach,
    Closed,
    ConnectionRecord,
    Hello,
    Leave,
    NotHeld,
    Placed,
    Refused,
    Report,
    RequestHead,
    ResponseHead,
    RoomKey,
    RoomReport,
    Standing,
    Summon,
)

KEY = RoomKey("chat", "lobby / {1}")
RECORD = ConnectionRecord(3, "ada", "ws://h/party/x", [("a", "1"), ("a", "2")], ["t"], b"\x00")
EVERY_MESSAGE: list[msgspec.Struct] = [
    Hello("gateway", "g1", 12),
    Hello("room actor", "r1", 12, "/run/r1.sock", 7),
    KEY,
    RECORD,
    Attach(KEY, [RECORD], 9),
    Refused("held", "somebody has it", "/run/r2.sock"),
    Closed(1006, "été", False),
    Standing(["a", "b"], b"state"),
    RequestHead("POST", "http://h/party/x/y?z", "/y", [("a", "1")]),
    ResponseHead(200, [("content-type", "text/plain"), ("set-cookie", "a"), ("set-cookie", "b")]),
    Placed("/run/r1.sock"),
    Placed(error="none is free"),
    Report([RoomReport(KEY, "idle", 1.5, 2, 0.5)], 1 << 40, "me"),
    Leave(KEY, "hibernate"),
    Summon(KEY, "g1", "/run/a.sock@10.0.0.1:7"),
    NotHeld(KEY, "g1"),
]


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=lambda m: type(m).__name__)
def test_every_message_comes_back_as_it_was(message: msgspec.Struct) -> None:
    """Names, repeated headers, text beyond ASCII and bytes."""
    assert messages.decode(messages.encode(message), type(message)) == message


@pytest.mark.parametrize(
    "payload",
    [
        msgspec.msgpack.encode({"role": "gateway", "id": "g1", "pid": "twelve"}),
        msgspec.msgpack.encode({"role": "gateway", "id": "g1"}),
        msgspec.msgpack.encode(["gateway", "g1", 12]),
        msgspec.msgpack.encode(None),
    ],
    ids=["wrong type", "field missing", "not a map", "nothing"],
)
def test_a_payload_of_another_kind_is_refused(payload: bytes) -> None:
    """Names and types are checked before anything is built."""
    with pytest.raises(msgspec.ValidationError):
        messages.decode(payload, Hello)


def test_a_room_is_shown_as_party_and_id() -> None:
    """As the logs name it: no id that a client chose can forge a line of them."""
    assert str(RoomKey("chat", "a/b\nERROR \x1b[2J")) == "chat/a%2Fb%0AERROR%20%1B%5B2J"


@pytest.mark.parametrize("room_id", ["a/b", "a{b}", "{", "}", "é", "a b", "%7B", "\x00", "x" * 99])
def test_the_name_of_a_rooms_storage_has_no_character_that_means_something(room_id: str) -> None:
    """One slash, between party and id; no brace, which would move Redis' hash tag."""
    space = RoomKey("chat", room_id).space
    assert space.count("/") == 1
    assert not set(space) & set("{} \x00")
    assert space.isascii()


def test_two_rooms_never_share_a_storage() -> None:
    """Ids that would be the same after one unquoting too many stay apart."""
    ids = ["a/b", "a%2Fb", "a%252Fb", "a", "a/", "A", ".", ".."]
    assert len({RoomKey("chat", room_id).space for room_id in ids}) == len(ids)
