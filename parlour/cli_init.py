"""The command line: `parlour init`."""

from __future__ import annotations

from pathlib import Path

import click

from .refusal import refusals


@click.command()
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
@refusals
def init(folder: Path) -> None:
    """Write a new project into the folder NAME: rooms, a page, tests."""
    from .runtime.new_project import write

    for name in write(folder):
        click.echo(f"  {folder / name}")
    click.echo(f"Run it with `parlour dev {folder}`")
