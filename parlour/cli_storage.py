"""The command line: `parlour storage get|put|delete|list|export|import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_server import on_server, one_sentence, room_argument, say, server_options, ticker

if TYPE_CHECKING:
    from .actors.messages import RoomKey

LIST_KEYS = 1000

large_option = click.option("--large", is_flag=True, help="A large value, as of put_large.")


@click.group()
def storage() -> None:
    """Read a room's storage without waking it; write it while it hibernates."""


@storage.command()
@room_argument
@click.argument("key")
@large_option
@server_options
def get(room_key: RoomKey, key: str, large: bool, redis_url: str | None, data_folder: Path) -> None:
    """Print the value of KEY as JSON."""
    from .runtime.room_storage import get_value

    click.echo(
        on_server(
            redis_url,
            data_folder,
            lambda server: get_value(server, room_key, key, large=large, say=say),
        )
    )


# Or the value -5 would be taken for an option.
@storage.command(context_settings={"ignore_unknown_options": True})
@room_argument
@click.argument("key")
@click.argument("value", metavar="JSON")
@large_option
@server_options
def put(
    room_key: RoomKey, key: str, value: str, large: bool, redis_url: str | None, data_folder: Path
) -> None:
    """Store a value, given as JSON, under KEY."""
    from .runtime.room_storage import put_value

    on_server(
        redis_url,
        data_folder,
        lambda server: put_value(server, room_key, key, value, large=large),
    )


@storage.command()
@room_argument
@click.argument("key")
@large_option
@server_options
def delete(
    room_key: RoomKey, key: str, large: bool, redis_url: str | None, data_folder: Path
) -> None:
    """Delete KEY."""
    from .runtime.room_storage import delete_value

    on_server(
        redis_url, data_folder, lambda server: delete_value(server, room_key, key, large=large)
    )


@storage.command("list")
@room_argument
@click.option("--prefix", help="Keys that begin with this.")
@click.option("--start", help="Keys from this one on.")
@click.option("--after", help="Keys after this one.")
@click.option("--end", help="Keys before this one.")
@click.option(
    "--limit", default=LIST_KEYS, show_default=True, type=click.IntRange(1), help="Most keys."
)
@click.option("--large", is_flag=True, help="The names of all large values instead.")
@server_options
def list_(
    room_key: RoomKey,
    prefix: str | None,
    start: str | None,
    after: str | None,
    end: str | None,
    limit: int,
    large: bool,
    redis_url: str | None,
    data_folder: Path,
) -> None:
    """List keys with their values in key order, a line of JSON each."""
    from .runtime.room_storage import list_large, list_values
    from .storage.key_range import KeyRange

    if start is not None and after is not None:
        raise click.UsageError("give --start (which is included) or --after (which is not)")
    wanted = KeyRange.of(
        start=start, start_after=after, end=end, prefix=prefix, reverse=False, limit=limit
    )
    if large:
        on_server(
            redis_url,
            data_folder,
            lambda server: list_large(server, room_key, echo=click.echo, say=say),
        )
    else:
        on_server(
            redis_url,
            data_folder,
            lambda server: list_values(server, room_key, wanted, echo=click.echo, say=say),
        )


@storage.command()
@room_argument
@click.option("--output", "-o", default="-", metavar="FILE", help="Write to FILE, not to stdout.")
@server_options
def export(room_key: RoomKey, output: str, redis_url: str | None, data_folder: Path) -> None:
    """Write all that a room stores as JSON lines, alarms too."""
    from .runtime.room_files import export_target
    from .runtime.room_storage import export_room

    with one_sentence(), export_target(output) as file:
        on_server(
            redis_url,
            data_folder,
            lambda server: export_room(
                server, room_key, file, say=say, progress=ticker("exported {:,} lines so far")
            ),
        )


@storage.command("import")
@room_argument
@click.argument("file", default="-")
@click.option("--replace", is_flag=True, help="Delete all that the room stores first.")
@click.option("--merge", is_flag=True, help="Overwrite what has the same name, keep the rest.")
@server_options
def import_(
    room_key: RoomKey,
    file: str,
    replace: bool,
    merge: bool,
    redis_url: str | None,
    data_folder: Path,
) -> None:
    """Store all that FILE, an export, holds (- or none: stdin). All of it is checked first."""
    from .runtime.room_files import import_source
    from .runtime.room_storage import import_file

    if replace and merge:
        raise click.UsageError("give --replace or --merge, or neither for a room that is empty")
    progress = ticker("{:,} lines so far")
    with one_sentence(), import_source(file) as source:
        count = on_server(
            redis_url,
            data_folder,
            lambda server: import_file(
                server,
                room_key,
                source,
                "replace" if replace else "merge" if merge else "empty",
                progress=progress,
            ),
        )
    say(f"imported {count:,} lines")
