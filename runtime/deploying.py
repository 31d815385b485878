"""Deploying as a driver of the cluster: what a job's entrypoint does, and a program can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray

from ..actors.parties import MAIN
from ..actors.room import Room
from ..actors.schedules import InvalidSchedule
from . import cluster
from .asset_pack import pack
from .code import CannotLoad, pack_classes
from .crons import check, check_hook
from .jobs import room_runtime_env
from .project import Project
from .release import Release


def deploy_here(
    project: Project,
    variables: Mapping[str, str],
    address: str | None,
    within_s: float | None,
    say: Callable[[str], None],
) -> int:
    """Load what is to be deployed in this process and roll it out; returns the version.

    `variables` are the project's, from everywhere.

    Raises:
        CannotLoad: If the classes cannot be loaded.
        ClusterError: If a room actor cannot use them, or Parlour does not run there.
    """
    say(f"- loading the room classes of {project.name}")
    release = project.release(variables, {})
    if release.assets.folder:
        release = replace(release, assets_pack=pack(Path(release.assets.folder)))
    with cluster.connected(address):
        of_job = ray.get_runtime_context().runtime_env
        release = replace(release, runtime_env=room_runtime_env(project, of_job))
        say(f"- trying them out: {', '.join(sorted(release.code.parties))}")
        version = cluster.deploy(release, within_s)
    say(f"version {version} is deployed")
    return version


def deploy(
    *rooms: type[Room],
    parties: Mapping[str, type[Room]] | None = None,
    name: str = "",
    address: str | None = None,
    within_s: float | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    crons: Mapping[str, str] | None = None,
) -> int:
    """Deploy room classes on the Ray cluster at `address`; returns the version.

    Each class is deployed under its own name in lower case, a single one also as `main`; `parties`
    gives other names. By default the cluster that this program is a driver of is used, or the one
    of this machine. The classes travel by value, with the modules of yours that define them.
    Live rooms move to the new version within `within_s` seconds, or as they hibernate (None).
    `env` are the variables that rooms have as `Room.env`, `crons` are by name what the class of
    `main` has an `on_cron` for.

    Raises:
        CannotLoad: If they cannot be deployed.
        ClusterError: If a room actor cannot use them, or Parlour does not run there.
    """
    named = {getattr(room, "__name__", type(room).__name__).lower(): room for room in rooms}
    classes = named | dict(parties or {})
    if not classes:
        raise CannotLoad("no room class was given; name at least one, as in deploy(Chat)")
    if len(classes) == 1:
        classes.setdefault(MAIN, next(iter(classes.values())))
    code = pack_classes(classes)
    try:
        check(crons or {}, round(time.time() * 1000))
        check_hook(crons or {}, code.parties)
    except InvalidSchedule as error:
        raise CannotLoad(f"cron {error.name!r}: {error.problem}") from error
    release = Release(code, name, dict(runtime_env or {}), dict(env or {}), dict(crons or {}))
    with cluster.connected(address):
        return cluster.deploy(release, within_s)
