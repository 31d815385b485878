"""A room's storage as JSON lines, one a key, and back: exactly. Pure.

    {"parlour_export": 1, "room": "chat/lobby", "epoch": 3, "flush": 12, "live": false}
    {"key": "history", "value": ["hi"], "encoded": "B11dlC4..."}
    {"large": "photo", "encoded": "..."}
    {"alarm": "", "due": "2030-01-01T00:00:00+00:00", "due_ms": 1893456000000, "note": ""}
    {"end": {"keys": 1, "large": 1, "alarms": 1}, "flush": 12, "one_state": true}

`encoded` (base64 of the stored bytes), `due_ms` and `note` are what counts. `value` and `due` are
for people, and left out where a value is large. Guarantees. What is read back is what was written,
to the byte. A file is trusted in nothing: every line is checked as if a stranger had put it, and
without its last line, which counts the others, it is not whole. A `value` or `due` that does not
say what counts was edited, and is refused. (Not seen is an edit of a set that shares objects with
the rest of its value: its readable form depends on the order of the set, which differs.)
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .admission import checked_encoded
from .alarms import AT_MS_MAX, Alarm
from .errors import InvalidExport, StorageError
from .limits import StorageLimits
from .readable import json_text, shown

VERSION = 1
READABLE_BYTES_MAX = 16 * 1024  # of an encoded value that is also shown for people
# A large value in base64, its key with every character escaped, and the rest of its line.
LINE_BYTES_MAX = 4 * (64 * 1024 * 1024 + 1024) // 3 + 64 * 1024
ALARMS_MAX = 4_000  # in one file; a room keeps fewer
ALARM_BYTES_MAX = 4_096  # of its name, and of its note


@dataclass(frozen=True)
class Header:
    """The first line: whose storage it is, and as of when."""

    room: str
    epoch: int
    flush_number: int
    live: bool


@dataclass(frozen=True)
class Entry:
    """A key with its encoded value, or with `is_large` a large value."""

    key: str
    data: bytes
    is_large: bool = False


@dataclass(frozen=True)
class NamedAlarm:
    """An alarm under the name that storage keeps it under."""

    name: str
    alarm: Alarm


Record = Entry | NamedAlarm


class ExportWriter:
    """Makes the lines of one export, without line ends, in their order."""

    def __init__(self) -> None:
        self.counts = {"keys": 0, "large": 0, "alarms": 0}

    def header(self, header: Header) -> str:
        """The first line."""
        return json_text(
            {
                "parlour_export": VERSION,
                "room": header.room,
                "epoch": header.epoch,
                "flush": header.flush_number,
                "live": header.live,
            }
        )

    def line(self, record: Record) -> str:
        """The line of a key, a large value or an alarm.

        Raises:
            DecodeError: If the stored bytes are no value; names the key.
        """
        if isinstance(record, NamedAlarm):
            self.counts["alarms"] += 1
            due_ms, note = record.alarm
            return json_text(
                {"alarm": record.name, "due": _due(due_ms), "due_ms": due_ms, "note": note}
            )
        found: dict[str, Any] = {"large" if record.is_large else "key": record.key}
        self.counts["large" if record.is_large else "keys"] += 1
        # As an import does, so that what is written can be read.
        checked_encoded(StorageLimits(), record.key, record.data, is_large=True)
        if len(record.data) <= READABLE_BYTES_MAX:
            found["value"] = shown(record.data)
        found["encoded"] = base64.b64encode(record.data).decode()
        return json_text(found)

    def end(self, flush_number: int, *, one_state: bool) -> str:
        """The last line. `one_state`: no flush came while the export was made."""
        return json_text({"end": self.counts, "flush": flush_number, "one_state": one_state})


def read_export(lines: Iterable[bytes], limits: StorageLimits) -> Iterator[Record]:
    """Read the lines of an export, each checked, and the whole at its end.

    Raises:
        InvalidExport: At the first line that is not as it must be; what was yielded before may be
            part of a damaged file, so read it to the end before using any of it.
    """
    counts = {"keys": 0, "large": 0, "alarms": 0}
    number = 0
    ended = False
    for number, line in enumerate(lines, 1):
        found = _object(number, line)
        if ended:
            raise InvalidExport(number, "it comes after the end of the export")
        if number == 1:
            _check_header(found)
        elif "end" in found:
            _check_end(number, found["end"], counts)
            ended = True
        else:
            try:
                kind, record = _record(found, limits)
            except (StorageError, ValueError) as error:
                raise InvalidExport(number, str(error)) from None
            counts[kind] += 1
            if counts["alarms"] > ALARMS_MAX:
                raise InvalidExport(number, f"it is one alarm more than {ALARMS_MAX:,}")
            yield record
    if not ended:
        raise InvalidExport(number + 1, "the export is cut off, as its last line is missing")


def _object(number: int, line: bytes) -> dict[str, Any]:
    if len(line) > LINE_BYTES_MAX:
        raise InvalidExport(number, f"it is longer than {LINE_BYTES_MAX:,} bytes")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidExport(number, "it is no JSON") from None
    if not isinstance(found, dict):
        raise InvalidExport(number, "it is no JSON object")
    return found


def _check_header(found: dict[str, Any]) -> None:
    version = found.get("parlour_export")
    if version is None:
        raise InvalidExport(1, "an export begins with a line that has parlour_export")
    if type(version) is not int or version != VERSION:
        problem = f"it is an export of version {version!r:.20}, this Parlour reads {VERSION}"
        raise InvalidExport(1, problem)


def _check_end(number: int, told: object, counts: dict[str, int]) -> None:
    if told != counts:
        problem = f"the export should hold {told!r:.100} by its last line, and holds {counts}"
        raise InvalidExport(number, problem)


def _record(found: dict[str, Any], limits: StorageLimits) -> tuple[str, Record]:
    if "alarm" in found:
        return "alarms", _alarm(found)
    for name, kind in (("key", "keys"), ("large", "large")):
        if name in found:
            is_large = kind == "large"
            data = _bytes(found.get("encoded"))
            checked_encoded(limits, found[name], data, is_large=is_large)
            if "value" in found:
                _check_value(found["value"], data)
            return kind, Entry(found[name], data, is_large)
    raise ValueError("it has none of key, large, alarm and end")


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("it has no encoded value")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("its encoded value is no base64") from None


def _due(due_ms: int) -> str:
    return datetime.fromtimestamp(due_ms / 1000, UTC).isoformat()


def _check_value(told: object, data: bytes) -> None:
    """Refuse a readable value that was edited: the encoded one beside it would silently win."""
    says = json.dumps(shown(data), sort_keys=True)
    try:
        if json.dumps(told, sort_keys=True) == says:
            return
    except RecursionError:
        pass  # nested deeper than anything that is shown
    if '"$same"' not in says or ('"$set"' not in says and '"$frozenset"' not in says):
        raise ValueError(
            "its value is not what its encoded bytes stand for, so one of them was edited; take "
            "the value out to import the bytes, or change it by `parlour storage put` afterwards"
        )


def _alarm(found: dict[str, Any]) -> NamedAlarm:
    due_ms = found.get("due_ms")
    if type(due_ms) is not int or not 0 < due_ms <= AT_MS_MAX:
        raise ValueError(f"due_ms is to be from 1 to {AT_MS_MAX:,}")
    if found.get("due", _due(due_ms)) != _due(due_ms):
        raise ValueError("due is not the time that due_ms stands for; change both, or due_ms alone")
    texts = found["alarm"], found.get("note", "")
    for text in texts:
        if not isinstance(text, str):
            raise ValueError("name and note of an alarm are to be texts")
        if len(text.encode("utf-8", "surrogatepass")) > ALARM_BYTES_MAX:
            raise ValueError(f"name and note of an alarm have at most {ALARM_BYTES_MAX:,} bytes")
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise ValueError("name and note of an alarm hold half a surrogate pair, no text")
    name, note = texts
    return NamedAlarm(name, Alarm(due_ms, note))
