"""The command line: `parlour tail`."""

from __future__ import annotations

import contextlib
import signal

import click

from .cli_cluster import address_option
from .refusal import refusals

KINDS = ("connect", "message", "close", "request", "call", "alarm", "log", "error")


def _kinds(context: click.Context, parameter: click.Parameter, value: str | None) -> frozenset[str]:
    kinds = frozenset(value.split(",")) if value else frozenset()
    if not kinds <= set(KINDS):
        raise click.BadParameter(
            f"{', '.join(sorted(kinds - set(KINDS)))} was given; there are {', '.join(KINDS)}"
        )
    return kinds


@click.command()
@click.option("--party", help="Rooms of this party alone.")
@click.option("--room", metavar="ID", help="The room of this id alone.")
@click.option("--node", help="One node alone: its address, or the beginning of its id.")
@click.option(
    "--kind",
    "kinds",
    callback=_kinds,
    metavar="KIND,...",
    help=f"These alone: {', '.join(KINDS)}.",
)
@click.option("--contents", is_flag=True, help="Show what clients sent, the first KiB of each.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each.")
@address_option
@refusals
def tail(
    party: str | None,
    room: str | None,
    node: str | None,
    kinds: frozenset[str],
    contents: bool,
    as_json: bool,
    address: str | None,
) -> None:
    """Follow what rooms do and log, as it happens, until Ctrl-C."""
    from .runtime import cluster, tail_text
    from .runtime.cluster_tail import ClusterTail
    from .runtime.followers import Wanted

    show = tail_text.as_json if as_json else tail_text.line
    with cluster.connected(address):
        for number in (signal.SIGINT, signal.SIGTERM):  # after Ray, which has handlers of its own
            signal.signal(number, signal.default_int_handler)
        followed = ClusterTail(Wanted(party, room, kinds, contents), node)
        with contextlib.suppress(KeyboardInterrupt):
            followed.begin()
            click.echo("following; Ctrl-C ends it", err=True)
            for shown in followed.shown():
                click.echo(show(shown))
        followed.end()
