"""What operators do to the storage of one room: look, write, delete, carry away and bring back.

Guarantees. No room is woken. Reading shows what is durable, also of a live room; writing is for
rooms that hibernate (sole_writer.py). An import that is refused has written nothing; one of up to
`IMPORT_FLUSH_BYTES` is one flush, whole or not at all, and a larger one that is cut off by a crash
has to be given again.
Not here: what lines and values look like (storage/portable.py, storage/readable.py).
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, BinaryIO, Literal

from ..actors.messages import RoomKey
from ..actors.stored_schedules import check_stored
from ..storage import DecodeError, InvalidExport, OwnedStorage, StorageLimits, encode
from ..storage.admission import checked_encoded, checked_key
from ..storage.durable import DurableSpace
from ..storage.key_range import KeyRange
from ..storage.portable import (
    LINE_BYTES_MAX,
    Entry,
    ExportWriter,
    Header,
    NamedAlarm,
    Record,
    read_export,
)
from ..storage.readable import NoValue, json_text, shown, value_of
from .room_view import name_of
from .rooms_server import NotDone, RoomsServer
from .sole_writer import sole_writer

IMPORT_FLUSH_BYTES = 8 * 1024 * 1024  # of encoded values: then an import waits for the disk
LIMITS = StorageLimits()

IntoWhat = Literal["empty", "merge", "replace"]
Progress = Callable[[int], None]
Say = Callable[[str], None]


async def look(server: RoomsServer, key: RoomKey) -> DurableSpace:
    """A room's storage as it is durable.

    Raises:
        NotDone: If there is no such room.
    """
    space = await DurableSpace.look(server.connection, key.space)
    if space is None:
        raise NotDone(
            f"there is no room {name_of(key)}; `parlour rooms` lists those that there are"
        )
    return space


async def look_and_warn(server: RoomsServer, key: RoomKey, say: Say) -> DurableSpace:
    """As `look`, and say what it means if the room is live."""
    space = await look(server, key)
    if space.state.is_live:
        say(f"{name_of(key)} is live: this is what is durable now, and it may change any moment")
    return space


async def get_value(server: RoomsServer, key: RoomKey, name: str, *, large: bool, say: Say) -> str:
    """One value as a line of JSON.

    Raises:
        NotDone: If there is no such room or key.
    """
    checked_key(LIMITS, name)
    space = await look_and_warn(server, key, say)
    data = await space.read_large(name) if large else (await space.read([name])).get(name)
    if data is None:
        raise _no_key(key, name, large)
    return json_text(_shown(name, data))


async def list_values(
    server: RoomsServer, key: RoomKey, wanted: KeyRange, *, echo: Say, say: Say
) -> None:
    """Give `echo` a line of JSON for each key of a range, in key order."""
    space = await look_and_warn(server, key, say)
    count = 0
    async for page in space.pages(wanted):
        for name, data in page.items():
            count += 1
            echo(json_text({"key": name, "value": _shown(name, data)}))
    if count == wanted.limit:
        say(f"that is the limit of {count:,} keys; go on with --after {shlex.quote(name)}")


async def list_large(server: RoomsServer, key: RoomKey, *, echo: Say, say: Say) -> None:
    """Give `echo` a line of JSON for each large value, with its name."""
    space = await look_and_warn(server, key, say)
    for name in sorted([name async for name in space.large_keys()]):
        echo(json_text({"large": name}))


def _no_key(key: RoomKey, name: str, large: bool) -> NotDone:
    kind = "large value" if large else "key"
    return NotDone(f"{name_of(key)} has no {kind} {name!r}; `parlour storage list` shows all")


def _shown(name: str, data: bytes) -> Any:
    try:
        return shown(data)
    except DecodeError as error:
        error.key = name
        raise


async def put_value(
    server: RoomsServer, key: RoomKey, name: str, text: str, *, large: bool
) -> None:
    """Store the value that JSON stands for.

    Raises:
        NotDone: If it stands for none, or the room is live.
    """
    try:
        data = encode(value_of(text))
    except NoValue as problem:
        raise NotDone(f"the value cannot be stored: {problem}") from None
    checked_encoded(LIMITS, name, data, is_large=large)
    async with sole_writer(server, key) as (storage, _):
        storage.put_encoded(name, data, is_large=large)


async def delete_value(server: RoomsServer, key: RoomKey, name: str, *, large: bool) -> None:
    """Delete a key.

    Raises:
        NotDone: If there is no such room or key, or the room is live.
    """
    checked_key(LIMITS, name)
    await look(server, key)
    async with sole_writer(server, key) as (storage, _):
        if not await (storage.delete_large(name) if large else storage.delete(name)):
            raise _no_key(key, name, large)


async def delete_room(server: RoomsServer, key: RoomKey) -> None:
    """Delete everything of a room; only its epoch is kept (storage/scripts/forget.lua).

    Raises:
        NotDone: If there is no such room, or it is live.
    """
    await look(server, key)
    async with sole_writer(server, key) as (storage, claim):
        storage.delete_all()
        await storage.sync()
        await server.backend.forget(
            key.space, owner=claim.owner, epoch=claim.epoch, flush_number=storage.durable
        )


async def export_room(
    server: RoomsServer, key: RoomKey, file: BinaryIO, *, say: Say, progress: Progress
) -> None:
    """Write an export of a room to `file`.

    Raises:
        NotDone: If there is no such room.
        DecodeError: If something that is stored is no value; names the key.
    """
    space = await look_and_warn(server, key, say)
    kept = space.state.metadata
    writer = ExportWriter()
    live = space.state.is_live

    def write(line: str) -> None:
        file.write(f"{line}\n".encode())

    write(writer.header(Header(name_of(key), kept.epoch, kept.flush_number, live)))
    async for record in _records(space):
        write(writer.line(record))
        progress(sum(writer.counts.values()))
    if not space.is_one_state:
        say(
            f"{name_of(key)} wrote while it was exported: some keys are newer than others; "
            "hibernate the room and export it again for one state"
        )
    write(writer.end(space.flush_number, one_state=space.is_one_state))


async def _records(space: DurableSpace) -> AsyncIterator[Record]:
    everything = KeyRange.of(
        start=None, start_after=None, end=None, prefix=None, reverse=False, limit=None
    )
    async for page in space.pages(everything):
        for name, data in page.items():
            yield Entry(name, data)
    for name in sorted([name async for name in space.large_keys()]):
        large = await space.read_large(name)
        if large is not None:  # it was deleted since its name was read
            yield Entry(name, large, is_large=True)
    for name, alarm in sorted(space.state.metadata.alarms.items()):
        yield NamedAlarm(name, alarm)


async def import_file(
    server: RoomsServer, key: RoomKey, file: BinaryIO, into: IntoWhat, *, progress: Progress
) -> int:
    """Bring an export into a room; how many keys, large values and alarms it holds.

    `file` can be read twice: all of it is checked before anything is written. "empty" refuses a
    room that stores something, "merge" overwrites what has the same name, "replace" deletes all
    that was there.

    Raises:
        InvalidExport: If the file is not whole and sound.
        NotDone: If the room is live, or stores something and `into` is "empty".
    """
    for count, _ in enumerate(_checked(file), 1):
        progress(count)
    file.seek(0)
    count = 0
    async with sole_writer(server, key) as (storage, claim):
        if into == "empty" and (claim.alarms or (await storage.size()).keys):
            raise NotDone(
                f"{name_of(key)} stores something already; add --replace to delete it all first, "
                "or --merge to overwrite only what the file has too"
            )
        if into == "replace":
            storage.delete_all()
        unflushed_bytes = 0
        for count, record in enumerate(_checked(file), 1):
            unflushed_bytes += _write(storage, record)
            if unflushed_bytes >= IMPORT_FLUSH_BYTES:
                await storage.sync()
                unflushed_bytes = 0
            progress(count)
    return count


def _write(storage: OwnedStorage, record: Record) -> int:
    if isinstance(record, NamedAlarm):
        storage.change_alarm(record.name, record.alarm)
        return len(record.name) + len(record.alarm.note)
    storage.put_encoded(record.key, record.data, is_large=record.is_large)
    return len(record.key) + len(record.data)


def _checked(file: BinaryIO) -> Iterator[Record]:
    for number, record in enumerate(read_export(_lines(file), LIMITS), 2):
        if isinstance(record, NamedAlarm):
            try:
                check_stored(record.name, record.alarm)
            except ValueError as problem:
                raise InvalidExport(number, str(problem)) from None
        yield record


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LINE_BYTES_MAX + 1):
        yield line
