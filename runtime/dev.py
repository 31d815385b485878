"""`parlour dev`: a file's or a project's rooms on this machine, reloaded when something changes."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import watchfiles

from . import project
from .cluster import CannotGoOn, CannotStart
from .code import CannotLoad
from .dev_log import DevLog
from .node import LocalNode
from .progress import progress
from .project_env import ENV_FILE
from .project_toml import PROJECT_FILE
from .release import Release


def run(
    path: Path,
    *,
    host: str,
    port: int,
    redis_url: str | None,
    data_folder: Path,
    live_rooms_max: int | None,
    standbys: int,
    admin_host: str,
    admin_port: int | None,
    variables: Mapping[str, str],
    log_requests: bool,
) -> None:
    """Run what `path` says until Ctrl-C or SIGTERM.

    Raises:
        CannotLoad: If the classes cannot be loaded.
        CannotStart: If something that is needed cannot be had.
        CannotGoOn: If something that is needed has gone, and does not come back.
    """
    stop = threading.Event()
    gone: list[str] = []

    def give_up(why: str) -> None:
        gone.append(why)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    release = load(path, variables)
    node = LocalNode(
        host=host,
        port=port,
        data_folder=data_folder,
        redis_url=redis_url,
        live_rooms_max=live_rooms_max,
        standbys=standbys,
        admin_host=admin_host,
        admin_port=admin_port,
        note_requests=log_requests,
        progress=progress,
        say=lambda sentence: click.echo(f"  {sentence}"),
        give_up=give_up,
    )
    log = DevLog(click.echo)
    try:
        node.start(release)
        if log_requests:
            log.start()
        if not stop.is_set():
            click.echo(f"Ready on http://{host}:{port}")
            reload_on_change(node, path, variables, stop)
    finally:
        log.stop()
        with progress("stopping: rooms store what is not stored yet"):
            node.stop()
    if gone:
        raise CannotGoOn(gone[0])


def load(path: Path, variables: Mapping[str, str]) -> Release:
    """What is to be run, as it is now.

    Raises:
        CannotLoad: If it cannot be loaded.
    """
    found = project.read(path)
    runtime_env: dict[str, Any] = found.runtime_env()
    if found.working_dir:
        # The folder itself instead of the copy that the nodes of a cluster get.
        paths = {"PYTHONPATH": str(found.folder)}
        runtime_env["env_vars"] = paths | runtime_env.get("env_vars", {})
    return found.release(found.variables_of(os.environ, variables), runtime_env)


def reload_on_change(
    node: LocalNode, path: Path, variables: Mapping[str, str], stop: threading.Event
) -> None:
    """Deploy anew whenever something in the folder changes that it depends on, until `stop`."""
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    for changes in watchfiles.watch(
        folder, watch_filter=Sources(), stop_event=stop, raise_interrupt=False
    ):
        names = ", ".join(sorted({Path(path).name for _, path in changes}))
        try:
            with progress(f"reloading, {names} changed"):
                node.deploy(load(path, variables))
        except (CannotLoad, CannotStart) as error:
            click.echo(f"The running rooms stay as they are: {error}", err=True)
        else:
            click.echo("Reloaded")


class Sources(watchfiles.PythonFilter):
    """Python files, and what a project is told by."""

    def __call__(self, change: watchfiles.Change, path: str) -> bool:
        return Path(path).name in (PROJECT_FILE, ENV_FILE) or super().__call__(change, path)


def quiet_libraries() -> None:
    """Keep what libraries log about themselves out of the terminal."""
    for name in ("watchfiles", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
