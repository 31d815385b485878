"""Which room a URL names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.actors.messages import ROOM_ID_BYTES_MAX, RoomKey
from parlour.runtime.addresses import (
    BadAddress,
    RoomAddress,
    room_address,
    room_named,
)


@pytest.mark.parametrize(
    ("path", "party", "room", "below"),
    [
        ("/party/lobby", "main", "lobby", "/"),
        ("/party/lobby/", "main", "lobby", "/"),
        ("/party/lobby/a/b", "main", "lobby", "/a/b"),
        ("/party/lobby//a", "main", "lobby", "//a"),
        ("/parties/chat/lobby", "chat", "lobby", "/"),
        ("/parties/chat/lobby/x%20y", "chat", "lobby", "/x%20y"),
        ("/parties//lobby", "", "lobby", "/"),
        ("/party/a%20b", "main", "a b", "/"),
        ("/party/a%2Fb", "main", "a/b", "/"),
        ("/party/a%252Fb", "main", "a%2Fb", "/"),
        ("/party/caf%C3%A9", "main", "café", "/"),
        ("/party/a+b", "main", "a+b", "/"),
        ("/party/100%", "main", "100%", "/"),
        ("/party/%zz", "main", "%zz", "/"),
        ("/party/..", "main", "..", "/"),
        ("/party/%7Bx%7D", "main", "{x}", "/"),
        ("/party/party", "main", "party", "/"),
        ("/parties/party/parties", "party", "parties", "/"),
    ],
)
def test_a_path_names_a_room_and_what_is_below_it(
    path: str, party: str, room: str, below: str
) -> None:
    """The id is decoded once, what is below it is left as it came."""
    assert room_address(path) == RoomAddress(RoomKey(party, room), below)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/party",
        "/parties",
        "/parties/chat",
        "/index.html",
        "/Party/lobby",
        "/partying/lobby",
        "/x/party/lobby",
        "party/lobby",
        "//party/lobby",
        "*",
        "http://host/party/lobby",
    ],
)
def test_other_paths_name_no_room(path: str) -> None:
    """They are for whoever serves the rest."""
    assert room_address(path) is None


@pytest.mark.parametrize("path", ["/party/", "/parties/chat/", "/party//x"])
def test_an_empty_id_is_refused(path: str) -> None:
    """It has the shape of a room's URL and names none."""
    with pytest.raises(BadAddress, match=f"0 bytes.*1 to {ROOM_ID_BYTES_MAX}"):
        room_address(path)


@pytest.mark.parametrize("segment", ["%ff", "%C3", "a%80b", "%ED%A0%80"])
def test_an_id_that_is_not_utf8_is_refused(segment: str) -> None:
    """Neither guessed at nor replaced; the error says what to do."""
    with pytest.raises(BadAddress, match="not UTF-8; percent-encode"):
        room_address(f"/party/{segment}")


@pytest.mark.parametrize("character", ["x", "é", "%C3%A9", "%78"])
def test_the_length_of_an_id_is_counted_in_its_own_bytes(character: str) -> None:
    """Not in characters, and not in the bytes of its encoding."""
    size_bytes = 1 if character in ("x", "%78") else 2
    longest = f"/party/{character * (ROOM_ID_BYTES_MAX // size_bytes)}"
    assert room_address(longest) is not None
    with pytest.raises(BadAddress, match=f"{ROOM_ID_BYTES_MAX + size_bytes} bytes"):
        room_address(longest + character)


def test_the_error_does_not_repeat_a_giant_id() -> None:
    """It is answered to the client, and logged."""
    with pytest.raises(BadAddress) as raised:
        room_address("/party/%ff" + "x" * 10_000)
    assert len(str(raised.value)) < 300


@given(st.text(max_size=80))
def test_any_path_is_a_room_or_none_or_refused(path: str) -> None:
    """No other error, whatever a client sends."""
    try:
        address = room_address(path)
    except BadAddress:
        return
    assert address is None or address.path.startswith("/")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_a_person_names_a_room_by_its_id_as_it_is(room_id: str) -> None:
    """Slashes and percent signs are part of it: nothing is decoded."""
    assert room_named(f"chat/{room_id}") == RoomKey("chat", room_id)


@pytest.mark.parametrize(
    "name", ["", "lobby", "/lobby", "chat/", "Chat/x", "c{a}/x", "chat/" + "é" * 513, "chat/\udc80"]
)
def test_a_name_of_no_room_is_refused(name: str) -> None:
    """With what is allowed, and not at length."""
    with pytest.raises(BadAddress) as refused:
        room_named(name)
    assert len(str(refused.value)) < 300
