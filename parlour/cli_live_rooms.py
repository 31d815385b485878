"""The commands for one live room of a running cluster: `parlour room hibernate|move|reset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .cli_cluster import address_option
from .cli_server import room_argument
from .refusal import refusals

if TYPE_CHECKING:
    from .actors.messages import RoomKey


@click.command()
@room_argument
@address_option
@refusals
def hibernate(room_key: RoomKey, address: str | None) -> None:
    """Have a live room leave its process now; its sockets stay open."""
    from .runtime import cluster, cluster_rooms
    from .runtime.room_view import name_of

    with cluster.connected(address):
        cluster_rooms.order("hibernate", room_key)
    click.echo(f"{name_of(room_key)} hibernates; its next event wakes it")


@click.command()
@room_argument
@click.option("--to", metavar="NODE", help="Its address, or the beginning of its id.")
@address_option
@refusals
def move(room_key: RoomKey, to: str | None, address: str | None) -> None:
    """Have a live room wake on another node; its sockets stay open."""
    from .runtime import cluster, cluster_rooms
    from .runtime.room_view import name_of

    with cluster.connected(address):
        there = cluster_rooms.move(room_key, to)
    click.echo(f"{name_of(room_key)} is live on {there}")


@click.command()
@room_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@address_option
@refusals
def reset(room_key: RoomKey, yes: bool, address: str | None) -> None:
    """Throw a live room out at once, as a crash would: what is durable remains."""
    from .runtime import cluster, cluster_rooms
    from .runtime.room_view import name_of

    name = name_of(room_key)
    if not yes:
        click.confirm(
            f"Throw {name} out of its process, and lose what is not durable yet?",
            abort=True,
            err=True,
        )
    with cluster.connected(address):
        cluster_rooms.order("reset", room_key)
    click.echo(f"{name} is reset; its next event wakes it from what is stored")


ROOM_COMMANDS = [hibernate, move, reset]
