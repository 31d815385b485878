"""Which room a URL names: `/party/<room>` and `/parties/<party>/<room>`, each with more below.

The shapes are PartyKit's; room ids are decoded here, once, so that `/party/a%20b` is the room
`a b` everywhere.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from ..actors.messages import ROOM_ID_BYTES_MAX, RoomKey
from ..actors.parties import MAIN, PARTY_NAME


class BadAddress(ValueError):
    """A URL that has the shape of a room's and names none."""


class NothingDeployed(Exception):
    """No version of any class is here: it comes soon, as everything starts, or never."""

    def __init__(self) -> None:
        super().__init__("nothing is deployed here yet; try again")


class RoomAddress(NamedTuple):
    """A room, and what the URL says below it (`/` when nothing)."""

    key: RoomKey
    path: str


def room_address(raw_path: str) -> RoomAddress | None:
    """The room that a URL path (encoded, without query) names; None if it is not of that shape.

    Raises:
        BadAddress: If the id is missing, too long or not UTF-8; says what is allowed.
    """
    segments = raw_path.split("/")  # the first is what is before the leading slash: nothing
    if segments[1:2] == ["party"] and len(segments) > 2:
        party, room, rest = MAIN, segments[2], segments[3:]
    elif segments[1:2] == ["parties"] and len(segments) > 3:
        party, room, rest = segments[2], segments[3], segments[4:]
    else:
        return None
    return RoomAddress(RoomKey(party, _room_id(room)), "/" + "/".join(rest))


def room_named(name: str) -> RoomKey:
    """The room that a person names as PARTY/ID, its id as it is.

    Raises:
        BadAddress: If it names none; says what is allowed.
    """
    party, slash, room_id = name.partition("/")
    if not slash or not PARTY_NAME.fullmatch(party):
        raise BadAddress(
            f"{name[:80]!r} names no room; give PARTY/ID, as in chat/lobby, with a party of "
            "lower-case letters, digits, `_` and `-`"
        )
    _check_size(room_id)
    return RoomKey(party, room_id)


def _room_id(segment: str) -> str:
    try:
        room_id = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise BadAddress(
            f"the room id {segment[:80]!r} is not UTF-8; percent-encode its UTF-8 bytes"
        ) from error
    _check_size(room_id)
    return room_id


def _check_size(room_id: str) -> None:
    try:
        size_bytes = len(room_id.encode())
    except UnicodeEncodeError as error:  # an argument of the command line that is no UTF-8
        raise BadAddress(f"the room id {room_id[:80]!r} is no text") from error
    if not 0 < size_bytes <= ROOM_ID_BYTES_MAX:
        raise BadAddress(
            f"a room id of {size_bytes} bytes was given; it has 1 to {ROOM_ID_BYTES_MAX} bytes"
        )
