"""What was seen of a room, as a line for a terminal or as JSON. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from ..actors.messages import RoomKey
from ..actors.watch import Seen
from .cluster_tail import Shown


def line(shown: Shown, local_time: Callable[[float], time.struct_time] = time.localtime) -> str:
    """One line, whatever the room or a client has put into it."""
    seen = shown.seen
    if seen is None:
        return f"... {shown.dropped} more on {shown.host} that there was no place for"
    clock = time.strftime("%H:%M:%S", local_time(seen.at_s))
    room = RoomKey(seen.party, seen.room).space if seen.room else f"({shown.host})"
    words = [f"{clock}.{int(seen.at_s % 1 * 1000):03d}", room, seen.kind]
    if seen.who:
        words.append(printable(seen.who))
    if seen.kind not in ("log", "error"):
        if seen.kind in ("message", "request"):
            words.append(f"{seen.size_bytes} B")
        words.append(f"{seen.duration_s * 1000:.1f} ms")
    if seen.text:
        words.append(printable(seen.text))
    return " ".join(words)


def as_json(shown: Shown) -> str:
    """One line of JSON."""
    seen = shown.seen
    if seen is None:
        return json.dumps({"kind": "dropped", "node": shown.host, "count": shown.dropped})
    return json.dumps({"node": shown.host, **_fields(seen)})


def _fields(seen: Seen) -> dict[str, object]:
    return {
        "kind": seen.kind,
        "at": seen.at_s,
        "party": seen.party,
        "room": seen.room,
        "who": seen.who,
        "size_bytes": seen.size_bytes,
        "duration_s": seen.duration_s,
        "text": seen.text,
    }


def printable(text: str) -> str:
    """Without what could end the line or move the cursor of a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
