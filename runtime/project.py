"""What is deployed from: a file with room classes, or a folder with a `parlour.toml`.

    name = "shop"                       # shown with each version
    [parties]                           # the class of each party
    main = "rooms.chat:Chat"
    cart = "rooms.cart:Cart"
    [assets]                            # static files
    folder = "public"                   # what it is when there is such a folder
    single_page = true                  # its index.html answers navigations to what is not there
    [env]                               # variables: Room.env, Lobby.env (see project_env.py)
    GREETING = "hello"
    [crons]                             # for the main class's on_cron; in UTC
    sweep = "0 3 * * *"
    [limits]
    message_bytes_max = 1048576         # of one WebSocket message
    request_timeout_s = 60              # for a room to answer a request
    [runtime_env]                       # what Ray prepares for the processes of the classes
    pip = ["shapely>=2"]
    env = { OMP_NUM_THREADS = "1" }     # of the processes themselves
    working_dir = true                  # the folder itself, for files that the classes read

All but the parties is optional. The classes travel by value, so a file needs nothing else.
"""

from __future__ import annotations

import importlib
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ..actors.schedules import InvalidSchedule
from . import crons, project_env
from .code import CannotLoad, Code, load, load_classes
from .project_toml import PROJECT_FILE, Table
from .release import Assets, Limits, Release

PUBLIC = "public"  # the folder of static files, unless another is named
MESSAGE_BYTES_MAX = 64 * 1024 * 1024  # below what a frame between processes can carry


@dataclass(frozen=True)
class Project:
    """What a path says is to be deployed.

    Attributes:
        folder: Whose modules travel with the classes.
        file: The file with the classes; None for a project, whose `parties` name them.
        parties: Party -> `module:Class`.
        pip, env: Packages and variables for the processes that run the classes.
        working_dir: Whether they get a copy of the folder to work in.
        variables: Of the project, as its `parlour.toml` has them.
    """

    folder: Path
    file: Path | None
    name: str
    parties: Mapping[str, str] = field(default_factory=dict)
    pip: list[str] = field(default_factory=list)
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: bool = False
    assets: Assets = field(default_factory=Assets)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    crons: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def runtime_env(self) -> dict[str, Any]:
        """What Ray has to prepare, as Ray names it, without the working folder."""
        environment: dict[str, Any] = {}
        if self.pip:
            environment["pip"] = list(self.pip)
        if self.env:
            environment["env_vars"] = dict(self.env)
        return environment

    def load(self) -> Code:
        """The room classes, packed.

        Raises:
            CannotLoad: If they cannot be.
        """
        if self.file is not None:
            return load(self.file)
        code = load_classes(self.folder, lambda: self._classes())
        try:
            crons.check_hook(self.crons, code.parties)
        except InvalidSchedule as error:
            raise CannotLoad(
                f"{self.folder / PROJECT_FILE}: crons.{error.name}: {error.problem}"
            ) from error
        return code

    def variables_of(
        self, environment: Mapping[str, str], given: Mapping[str, str]
    ) -> dict[str, str]:
        """The project's variables, from everywhere: see `project_env.resolve`."""
        return project_env.resolve(self.folder, self.variables, environment, given)

    def release(self, variables: Mapping[str, str], runtime_env: Mapping[str, Any]) -> Release:
        """All of it, to be deployed.

        Raises:
            CannotLoad: If the classes cannot be loaded.
        """
        return Release(
            self.load(), self.name, runtime_env, variables, self.crons, self.assets, self.limits
        )

    def _classes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        modules: dict[str, ModuleType] = {}
        for party, where in self.parties.items():
            name, _, attribute = where.partition(":")
            if name not in modules:
                modules[name] = importlib.import_module(name)
            if not hasattr(modules[name], attribute):
                raise CannotLoad(
                    f"{self.folder / PROJECT_FILE}: party {party!r} is {where!r}, "
                    f"and {name} has no {attribute!r}; name a class that it defines or imports"
                )
            found[party] = getattr(modules[name], attribute)
        return found


def read(path: Path) -> Project:
    """What is to be deployed from a file or a folder.

    Raises:
        CannotLoad: If there is neither, or the folder's `parlour.toml` says something else than
            is understood.
    """
    if path.is_file() and path.name != PROJECT_FILE:
        folder = path.resolve().parent
        return Project(folder, path.resolve(), path.stem, assets=_public(folder))
    file = path if path.name == PROJECT_FILE else path / PROJECT_FILE
    try:
        content = tomllib.loads(file.read_text())
    except FileNotFoundError as error:
        raise CannotLoad(
            f"there is no file {str(path)!r}, and no {str(file)!r}; name a file with room classes, "
            f"or a folder with a {PROJECT_FILE}"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CannotLoad(f"{file} cannot be read: {error}") from error
    return _project(file, Table(file, "", content))


def _project(file: Path, top: Table) -> Project:
    folder = file.resolve().parent
    environment = top.table("runtime_env")
    project = Project(
        folder,
        None,
        top.text("name", folder.name),
        _parties(file, top),
        environment.texts("pip"),
        environment.mapping("env"),
        environment.flag("working_dir"),
        _assets(folder, top.table("assets")),
        top.mapping("env"),
        _crons(file, top),
        _limits(top.table("limits")),
    )
    environment.done()
    top.done()
    return project


def _parties(file: Path, top: Table) -> dict[str, str]:
    parties = top.any_table("parties")
    for party, where in parties.items():
        module, colon, attribute = str(where).partition(":")
        if not isinstance(where, str) or not (module and colon and attribute):
            raise CannotLoad(
                f"{file}: party {party!r} is {where!r}; it must name its class, as in "
                '"rooms.chat:Chat"'
            )
    if not parties:
        raise CannotLoad(f'{file} names no party; add [parties] with lines as chat = "rooms:Chat"')
    return parties


def _assets(folder: Path, table: Table) -> Assets:
    name, single_page = table.text("folder", ""), table.flag("single_page")
    table.done()
    if not name:
        return Assets(_public(folder).folder, single_page)
    assets = (folder / name).resolve()
    if not assets.is_dir() or not assets.is_relative_to(folder):
        raise CannotLoad(
            f"{table.file}: assets.folder is {name!r}; it must be a folder inside {folder}"
        )
    return Assets(str(assets), single_page)


def _public(folder: Path) -> Assets:
    public = folder / PUBLIC
    return Assets(str(public) if public.is_dir() else "")


def _crons(file: Path, top: Table) -> dict[str, str]:
    found = top.mapping("crons")
    try:
        crons.check(found, round(time.time() * 1000))
    except InvalidSchedule as error:
        raise CannotLoad(f"{file}: crons.{error.name}: {error.problem}") from error
    return found


def _limits(table: Table) -> Limits:
    normal = Limits()
    limits = Limits(
        int(table.number("message_bytes_max", normal.message_bytes_max, MESSAGE_BYTES_MAX)),
        table.number("request_timeout_s", normal.request_timeout_s, 3600),
    )
    table.done()
    return limits
