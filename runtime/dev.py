"""`parlour dev`: the rooms of a file on this machine, reloaded when the file changes."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

import click
import watchfiles

from .cluster import CannotStart
from .code import CannotLoad, load
from .node import LocalNode
from .progress import progress
from .release import Release

PUBLIC = "public"


def run(
    file: Path,
    *,
    host: str,
    port: int,
    redis_url: str | None,
    data_folder: Path,
    live_rooms_max: int | None,
    standbys: int,
    admin_host: str,
    admin_port: int | None,
) -> None:
    """Run until Ctrl-C or SIGTERM.

    Raises:
        CannotLoad: If the file's classes cannot be loaded.
        CannotStart: If something that is needed cannot be had.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    code = load(file)
    public = file.resolve().parent / PUBLIC
    node = LocalNode(
        host=host,
        port=port,
        data_folder=data_folder,
        redis_url=redis_url,
        public_folder=public if public.is_dir() else None,
        live_rooms_max=live_rooms_max,
        standbys=standbys,
        admin_host=admin_host,
        admin_port=admin_port,
        progress=progress,
        say=lambda sentence: click.echo(f"  {sentence}"),
    )
    try:
        node.start(Release(code))
        if not stop.is_set():
            click.echo(f"Ready on http://{host}:{port}")
            reload_on_change(node, file, stop)
    finally:
        with progress("stopping: rooms store what is not stored yet"):
            node.stop()


def reload_on_change(node: LocalNode, file: Path, stop: threading.Event) -> None:
    """Deploy the file again whenever something in its folder changes, until `stop` is set."""
    folder = file.resolve().parent
    for changes in watchfiles.watch(
        folder, watch_filter=watchfiles.PythonFilter(), stop_event=stop, raise_interrupt=False
    ):
        names = ", ".join(sorted({Path(path).name for _, path in changes}))
        try:
            with progress(f"reloading, {names} changed"):
                node.deploy(Release(load(file)))
        except (CannotLoad, CannotStart) as error:
            click.echo(f"The running rooms stay as they are: {error}", err=True)
        else:
            click.echo("Reloaded")


def quiet_libraries() -> None:
    """Keep what libraries log about themselves out of the terminal."""
    for name in ("watchfiles", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
