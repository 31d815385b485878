"""What operators see of rooms, and delete; the thin part around room_view.py."""

from __future__ import annotations

import json
from collections.abc import Callable

from ..actors.messages import RoomKey
from ..storage.inspection import Cursor, Inspector
from .room_storage import look
from .room_view import page_as_json, page_as_text, room_as_json, room_as_text
from .rooms_server import RoomsServer


async def list_rooms(
    server: RoomsServer,
    *,
    party: str | None,
    live: bool | None,
    limit: int,
    after: str | None,
    as_json: bool,
    progress: Callable[[int], None],
) -> str:
    """One page of rooms.

    Raises:
        UnknownCursor: If `after` is not what a page ended with.
    """
    page = await Inspector(server.connection).page(
        prefix="" if party is None else f"{party}/",
        live=live,
        limit=limit,
        after=None if after is None else Cursor.parse(after),
        on_step=progress,
    )
    return json.dumps(page_as_json(page)) if as_json else page_as_text(page)


async def show_room(server: RoomsServer, key: RoomKey, *, as_json: bool) -> str:
    """One room, whole.

    Raises:
        NotDone: If there is no such room.
    """
    state = (await look(server, key)).state
    return json.dumps(room_as_json(key, state)) if as_json else room_as_text(key, state)
