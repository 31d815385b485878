"""The commands for a Ray cluster: start, stop, status, token, deploy, rollback, drain and so on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .refusal import refusals

WITHIN_S_MAX = 7 * 24 * 3600.0


class Seconds(click.FloatRange):
    """A number of seconds; NaN is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return number


address_option = click.option(
    "--address",
    envvar="RAY_ADDRESS",
    help="Of the Ray cluster; by default the one of this machine.",
)
within_option = click.option(
    "--within",
    "within_s",
    type=Seconds(0, WITHIN_S_MAX),
    metavar="SECONDS",
    help="Move all live rooms in that time; by default each moves when it hibernates.",
)


def _port_range(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    first, dash, last = value.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 0 < int(first) <= int(last) < 65536):
        raise click.BadParameter(
            f"{value!r} was given; give the first and the last port, as in 11000-11999"
        )
    return int(first), int(last)


def _variables(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise click.BadParameter("give NAME=VALUE, as in --var GREETING=hello")
    return {name: value for name, _, value in pairs}


variable_option = click.option(
    "--var",
    "variables",
    multiple=True,
    callback=_variables,
    metavar="NAME=VALUE",
    help="A variable of the project, instead of what its files and the environment say.",
)
ADMIN_PORT = 1998


def admin_options(default_port: int | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Where each node serves its metrics."""
    host = click.option(
        "--admin-host",
        default="127.0.0.1",
        show_default=True,
        help="Where each node's metrics are served.",
    )
    port = click.option(
        "--admin-port",
        default=default_port,
        show_default=default_port is not None,
        type=click.IntRange(1, 65535),
        help="Their port" + ("." if default_port else "; by default they are not served."),
    )
    return lambda command: host(port(command))


@click.command()
@address_option
@click.option(
    "--redis",
    "redis_url",
    metavar="URL",
    envvar="PARLOUR_REDIS",
    required=True,
    help="The Redis or Valkey of the rooms, as every node reaches it.",
)
@click.option("--host", default="0.0.0.0", show_default=True, help="Where the gateways listen.")
@click.option(
    "--port", default=1999, show_default=True, type=click.IntRange(1, 65535), help="Their port."
)
@click.option(
    "--standbys",
    default=2,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Started processes that wait for a room, on each node.",
)
@click.option(
    "--max-live-rooms",
    "live_rooms_max",
    type=click.IntRange(1),
    help="Most rooms that have a process at once, on each node; by default what memory allows.",
)
@admin_options(ADMIN_PORT)
@click.option(
    "--resource", help="Only nodes with this Ray resource take part; by default every node does."
)
@click.option(
    "--link-ports",
    default="11000-11999",
    show_default=True,
    callback=_port_range,
    metavar="FIRST-LAST",
    help="Ports for what gateways and room actors of different nodes say to each other.",
)
@refusals
def start(
    address: str | None,
    redis_url: str,
    host: str,
    port: int,
    standbys: int,
    live_rooms_max: int | None,
    admin_host: str,
    admin_port: int,
    resource: str | None,
    link_ports: tuple[int, int],
) -> None:
    """Start Parlour on a running Ray cluster."""
    from .runtime import cluster
    from .runtime.progress import progress
    from .runtime.settings import ClusterSettings
    from .runtime.status_text import describe_nodes

    with progress("looking at the Redis server"):
        click.echo(f"  {cluster.look_at_redis(redis_url)}")
    with cluster.connected(address), progress("starting gateways and hibernation managers"):
        settings = ClusterSettings(
            redis_url,
            host,
            port,
            standbys,
            live_rooms_max,
            resource,
            cluster.secret(),
            link_ports,
            admin_host=admin_host,
            admin_port=admin_port,
        )
        found = cluster.start(settings)
    click.echo(describe_nodes(found))


@click.command()
@address_option
@refusals
def stop(address: str | None) -> None:
    """Stop Parlour on a Ray cluster; the cluster itself, and what is stored, stay."""
    from .runtime import cluster
    from .runtime.progress import progress

    with cluster.connected(address), progress("stopping: rooms store what is not stored yet"):
        cluster.stop()


@click.command()
@address_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@refusals
def status(address: str | None, as_json: bool) -> None:
    """Show nodes, gateways, rooms, versions and what the Redis server promises."""
    from .runtime import cluster
    from .runtime.status_text import as_dict, describe

    with cluster.connected(address):
        found = cluster.status()
        promises = cluster.look_at_redis(found.redis_url)
        click.echo(json.dumps(as_dict(found, promises)) if as_json else describe(found, promises))


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--address",
    envvar="RAY_API_SERVER_ADDRESS",
    help="Of the job server, as in http://head:8265; `auto` deploys from this node of the cluster, "
    "without a job.",
)
@within_option
@variable_option
@refusals
def deploy(
    path: Path, address: str | None, within_s: float | None, variables: dict[str, str]
) -> None:
    """Deploy the room classes of PATH: a file, or a folder with a parlour.toml."""
    from .runtime import jobs, project

    found = project.read(path)
    if jobs.is_inside_job(os.environ):
        from .runtime.deploying import deploy_here

        deploy_here(found, jobs.variables_in(found), "auto", within_s, click.echo)
        return
    resolved = found.variables_of(os.environ, variables)
    if address == "auto":
        from .runtime.deploying import deploy_here

        deploy_here(found, resolved, address, within_s, click.echo)
    else:
        jobs.submit(found, resolved, address or jobs.DEFAULT_ADDRESS, within_s, click.echo)


@click.command()
@address_option
@refusals
def deployments(address: str | None) -> None:
    """List the versions of the room classes."""
    from .runtime import cluster
    from .runtime.status_text import describe_versions

    with cluster.connected(address):
        click.echo(describe_versions(cluster.status()))


@click.command()
@click.argument("version", type=click.IntRange(1), required=False)
@address_option
@within_option
@refusals
def rollback(version: int | None, address: str | None, within_s: float | None) -> None:
    """Use VERSION of the room classes again; by default the one before."""
    from .runtime import cluster

    with cluster.connected(address):
        click.echo(f"version {cluster.roll_back(version, within_s)} is deployed")


@click.command()
@click.argument("node")
@address_option
@click.option(
    "--within",
    "within_s",
    default=30.0,
    show_default=True,
    type=Seconds(0, WITHIN_S_MAX),
    metavar="SECONDS",
    help="Time for its rooms, then its clients, to leave.",
)
@refusals
def drain(node: str, address: str | None, within_s: float) -> None:
    """Empty NODE (its address, or the beginning of its id) before it is taken away."""
    from .runtime import cluster
    from .runtime.progress import progress

    with cluster.connected(address), progress(f"rooms and clients leave {node}"):
        node_id = cluster.drain(node, within_s)
    click.echo(f"node {node_id} has no rooms and no clients any more")


@click.command()
@address_option
@refusals
def token(address: str | None) -> None:
    """Show the token that the nodes' admin ports want."""
    from .runtime import cluster

    with cluster.connected(address):
        click.echo(cluster.token())


COMMANDS = [start, stop, status, token, deploy, deployments, rollback, drain]
