"""The command line: `parlour dev FILE`; the other commands are in files of their own."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .cli_rooms import room, rooms
from .cli_server import DATA_FOLDER
from .cli_storage import storage


class Refusal(click.ClickException):
    """What cannot be done, in one sentence; exit status 1."""

    exit_code = 1


@click.group()
@click.version_option(package_name="parlour")
def main() -> None:
    """Run rooms: small stateful servers, one per chat, document, game or device."""


for command in (rooms, room, storage):
    main.add_command(command)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
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
def dev(
    file: Path,
    host: str,
    port: int,
    redis_url: str | None,
    data_folder: Path,
    live_rooms_max: int | None,
    standbys: int,
) -> None:
    """Run the room classes of FILE on this machine, and reload them when they change."""
    # Ray would hold back lines that look alike, and so tear tracebacks apart. Read at its import.
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    # Here, not above: Ray takes most of a second to import, and --help must not.
    from .runtime.code import CannotLoad
    from .runtime.dev import quiet_libraries, run
    from .runtime.node import CannotStart

    quiet_libraries()
    try:
        run(
            file,
            host=host,
            port=port,
            redis_url=redis_url,
            data_folder=data_folder,
            live_rooms_max=live_rooms_max,
            standbys=standbys,
        )
    except (CannotLoad, CannotStart) as error:
        raise Refusal(str(error)) from error
