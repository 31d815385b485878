"""What the commands that need the rooms' server alone have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from .actors.messages import RoomKey
    from .runtime.rooms_server import RoomsServer
    from .runtime.ticker import Ticker

T = TypeVar("T")

DATA_FOLDER = ".parlour"


def room_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """The room that a command is about: PARTY/ID, the id as it is."""
    return click.argument("room_key", metavar="PARTY/ID", callback=_room_key)(command)


def _room_key(context: click.Context, parameter: click.Parameter, value: str) -> RoomKey:
    from .runtime.addresses import BadAddress, room_named

    try:
        return room_named(value)
    except BadAddress as error:
        raise click.BadParameter(str(error)) from error


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the rooms' server is."""
    redis = click.option(
        "--redis",
        "redis_url",
        metavar="URL",
        envvar="PARLOUR_REDIS",
        help="The Redis or Valkey of the rooms, instead of the private one of --data.",
    )
    data = click.option(
        "--data",
        "data_folder",
        default=DATA_FOLDER,
        show_default=True,
        type=click.Path(path_type=Path, file_okay=False),
        help="The folder that `parlour dev` stores in, running or not.",
    )
    return redis(data(command))


def on_server(
    redis_url: str | None, data_folder: Path, work: Callable[[RoomsServer], Awaitable[T]]
) -> T:
    """Do `work` with the rooms' server."""
    from .runtime.rooms_server import on_server

    with one_sentence():
        return on_server(redis_url, data_folder, work)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """What cannot be done is one sentence and exit status 1."""
    from .runtime.rooms_server import NotDone

    try:
        yield
    except NotDone as error:
        raise click.ClickException(str(error)) from error


def say(sentence: str) -> None:
    """Tell the person, beside what the command prints."""
    click.echo(sentence, err=True)


def ticker(text: str) -> Ticker:
    """Says how far a command is once it takes a while."""
    from .runtime.ticker import Ticker

    return Ticker(text, say)
