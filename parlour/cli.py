"""The command line: `parlour dev PATH`; the other commands are in files of their own."""

from __future__ import annotations

from pathlib import Path

import click

from . import cli_cluster, cli_live_rooms
from .cli_init import init
from .cli_rooms import room, rooms
from .cli_server import DATA_FOLDER
from .cli_storage import storage
from .cli_tail import tail
from .refusal import refusals


@click.group()
@click.version_option(package_name="parlour")
def main() -> None:
    """Run rooms: small stateful servers, one per chat, document, game or device."""


@main.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("."))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=1999, show_default=True, type=click.IntRange(1, 65535), help="Its port."
)
@click.option(
    "--redis",
    "redis_url",
    metavar="URL",
    envvar="PARLOUR_REDIS",
    help="A Redis or Valkey of your own, instead of a private one.",
)
@click.option(
    "--data",
    "data_folder",
    default=DATA_FOLDER,
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for what the rooms store.",
)
@click.option(
    "--max-live-rooms",
    "live_rooms_max",
    type=click.IntRange(1),
    help="Most rooms that have a process at once; by default as many as memory allows.",
)
@click.option(
    "--standbys",
    default=2,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Started processes that wait for a room.",
)
@cli_cluster.admin_options(None)
@cli_cluster.variable_option
@click.option("--log-requests", is_flag=True, help="Print each request and each event.")
@refusals
def dev(
    path: Path,
    host: str,
    port: int,
    redis_url: str | None,
    data_folder: Path,
    live_rooms_max: int | None,
    standbys: int,
    admin_host: str,
    admin_port: int | None,
    variables: dict[str, str],
    log_requests: bool,
) -> None:
    """Run rooms on this machine, and reload them when they change.

    PATH is a file with room classes or a folder with a parlour.toml; by default this folder.
    """
    from .runtime.dev import quiet_libraries, run

    quiet_libraries()
    run(
        path,
        host=host,
        port=port,
        redis_url=redis_url,
        data_folder=data_folder,
        live_rooms_max=live_rooms_max,
        standbys=standbys,
        admin_host=admin_host,
        admin_port=admin_port,
        variables=variables,
        log_requests=log_requests,
    )


for command in cli_live_rooms.ROOM_COMMANDS:
    room.add_command(command)
for command in (init, *cli_cluster.COMMANDS, rooms, room, storage, tail):
    main.add_command(command)
