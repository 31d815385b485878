"""The command line: `parlour rooms` and `parlour room show|delete`, on the rooms' server alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_server import on_server, room_argument, say, server_options, ticker

if TYPE_CHECKING:
    from .actors.messages import RoomKey

PAGE_ROOMS = 100
PAGE_ROOMS_MAX = 10_000


@click.command()
@click.option("--party", help="Rooms of this party alone.")
@click.option("--live", is_flag=True, help="Rooms that have a process alone.")
@click.option("--hibernated", is_flag=True, help="Rooms that have none alone.")
@click.option(
    "--limit",
    default=PAGE_ROOMS,
    show_default=True,
    type=click.IntRange(1, PAGE_ROOMS_MAX),
    help="Rooms in a page.",
)
@click.option("--after", metavar="CURSOR", help="Go on where the page with this cursor ended.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@server_options
def rooms(
    party: str | None,
    live: bool,
    hibernated: bool,
    limit: int,
    after: str | None,
    as_json: bool,
    redis_url: str | None,
    data_folder: Path,
) -> None:
    """List rooms, hibernated ones too, a page at a time."""
    from .runtime.room_listing import list_rooms

    if live and hibernated:
        raise click.UsageError("give --live or --hibernated, or neither for all rooms")
    progress = ticker("looked at {:,} rooms so far")
    click.echo(
        on_server(
            redis_url,
            data_folder,
            lambda server: list_rooms(
                server,
                party=party,
                live=live if live or hibernated else None,
                limit=limit,
                after=after,
                as_json=as_json,
                progress=progress,
            ),
        )
    )


@click.group()
def room() -> None:
    """Look at one room, delete it, or have it leave its process."""


@room.command()
@room_argument
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@server_options
def show(room_key: RoomKey, as_json: bool, redis_url: str | None, data_folder: Path) -> None:
    """Show everything that is known of a room."""
    from .runtime.room_listing import show_room

    click.echo(
        on_server(
            redis_url, data_folder, lambda server: show_room(server, room_key, as_json=as_json)
        )
    )


@room.command()
@room_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@server_options
def delete(room_key: RoomKey, yes: bool, redis_url: str | None, data_folder: Path) -> None:
    """Delete everything that a hibernated room stores, its alarms too."""
    from .runtime.room_storage import delete_room
    from .runtime.room_view import name_of

    if not yes:
        click.confirm(
            f"Delete all that {name_of(room_key)} stores, for good?", abort=True, err=True
        )
    on_server(redis_url, data_folder, lambda server: delete_room(server, room_key))
    say(f"deleted {name_of(room_key)}")
