"""Rooms for operators' eyes: as JSON, and as text. Pure.

Text shows ids as they are where a terminal can, else percent-encoded as in URLs; JSON always as
they are. Times are in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..actors.messages import RoomKey
from ..actors.stored_schedules import StoredSchedule, stored_schedule
from ..storage import Alarm
from ..storage.inspection import Page, SpaceState, SpaceSummary

_HEADINGS = ("ROOM", "STATE", "KEYS", "BYTES", "NEXT ALARM", "WHERE")


def name_of(key: RoomKey) -> str:
    """PARTY/ID, without anything that would steer a terminal."""
    return f"{key.party}/{key.id}" if key.id.isprintable() else key.space


def page_as_json(page: Page) -> dict[str, Any]:
    """A page; `cursor` is null at the end."""
    return {
        "rooms": [_summary_as_json(summary) for summary in page.spaces],
        "cursor": None if page.cursor is None else str(page.cursor),
    }


def page_as_text(page: Page) -> str:
    """A table, and how to go on."""
    rows = [_HEADINGS, *(_row(summary) for summary in page.spaces)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if not page.spaces:
        lines = ["There are no such rooms."]
    if page.cursor is not None:
        lines.append(f"There are more: add --after {page.cursor}")
    return "\n".join(lines)


def room_as_json(key: RoomKey, state: SpaceState) -> dict[str, Any]:
    """Everything that is known of a room."""
    kept = state.metadata
    return {
        "party": key.party,
        "id": key.id,
        "live": state.is_live,
        "epoch": kept.epoch,
        "owner": kept.owner,
        "lease_ms": state.lease_ms,
        "address": kept.address or None,
        "flush": kept.flush_number,
        "shards": len(state.shards),
        "keys": state.keys,
        "bytes": state.size_bytes,
        "next_alarm": _time(state.next_alarm_ms),
        "alarms": [
            {
                "name": alarm.name,
                "due": _time(alarm.due_ms),
                "cron": alarm.cron or None,
                "retries": alarm.retries,
                "running": alarm.is_running,
            }
            for alarm in _alarms(state)
        ],
        "progress": kept.progress,
    }


def room_as_text(key: RoomKey, state: SpaceState) -> str:
    """Everything that is known of a room, a fact a line."""
    kept = state.metadata
    facts = [
        ("room", name_of(key)),
        ("state", _state(state.is_live)),
        ("epoch", f"{kept.epoch}"),
        ("owner", _owner(state)),
        ("address", kept.address or "none"),
        ("flush", f"{kept.flush_number}"),
        ("shards", f"{len(state.shards):,}"),
        ("keys", f"{state.keys:,}"),
        ("bytes", f"{state.size_bytes:,}"),
        *(("alarm", _alarm(alarm)) for alarm in _alarms(state)),
        *(("progress", f"{gateway}: event {n}") for gateway, n in sorted(kept.progress.items())),
    ]
    return "\n".join(f"{fact:<10}{_printable(text)}" for fact, text in facts)


def _summary_as_json(summary: SpaceSummary) -> dict[str, Any]:
    key = RoomKey.of_space(summary.space)
    return {
        "party": key.party,
        "id": key.id,
        "live": summary.is_live,
        "address": summary.address or None,
        "keys": summary.keys,
        "bytes": summary.size_bytes,
        "next_alarm": _time(summary.next_alarm_ms),
    }


def _row(summary: SpaceSummary) -> Sequence[str]:
    return (
        name_of(RoomKey.of_space(summary.space)),
        _state(summary.is_live),
        f"{summary.keys:,}",
        f"{summary.size_bytes:,}",
        _time(summary.next_alarm_ms) or "-",
        _printable(summary.address or "-"),
    )


def _state(is_live: bool) -> str:
    return "live" if is_live else "hibernated"


def _owner(state: SpaceState) -> str:
    owner = state.metadata.owner
    if owner is None:
        return "none"
    if state.lease_ms is None:
        return f"{owner}, whose lease is gone: the room is free to wake elsewhere"
    return f"{owner}, its lease has {state.lease_ms / 1000:.1f} s left"


def _alarms(state: SpaceState) -> list[StoredSchedule]:
    alarms = state.metadata.alarms.items()
    found = [_schedule(kept, alarm) for kept, alarm in alarms]
    return sorted(found, key=lambda alarm: (alarm.due_ms, alarm.name))


def _schedule(kept: str, alarm: Alarm) -> StoredSchedule:
    try:
        return stored_schedule(kept, alarm)
    except ValueError:  # no room has written it, and it is shown all the same
        return StoredSchedule(kept, alarm.due_ms, "", 0, is_running=False)


def _alarm(alarm: StoredSchedule) -> str:
    parts = [f"{alarm.name or '(unnamed)'} at {_time(alarm.due_ms)}"]
    if alarm.cron:
        parts.append(f"cron {alarm.cron}")
    if alarm.retries:
        parts.append(f"failed {alarm.retries} times")
    if alarm.is_running:
        parts.append("being run")
    return ", ".join(parts)


def _time(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)
