"""What is deployed from: a file with room classes, or a folder with a `parlour.toml`.

    name = "shop"                       # shown with each version
    [parties]                           # the class of each party
    main = "rooms.chat:Chat"
    cart = "rooms.cart:Cart"
    [runtime_env]                       # what Ray prepares for the room actors; all optional
    pip = ["shapely>=2"]
    env = { REGION = "eu" }
    working_dir = true                  # the folder itself, for files that the classes read

The classes travel by value, so a file needs nothing else.
"""

from __future__ import annotations

import importlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from .code import CannotLoad, Code, load, load_classes

PROJECT_FILE = "parlour.toml"
_KEYS = frozenset({"name", "parties", "runtime_env"})
_ENVIRONMENT_KEYS = frozenset({"pip", "env", "working_dir"})
_WORDS = {str: 'text, as in "x"', list: "a list", dict: "a table", bool: "true or false"}


@dataclass(frozen=True)
class Project:
    """What a path says is to be deployed.

    Attributes:
        folder: Whose modules travel with the classes.
        file: The file with the classes; None for a project, whose `parties` name them.
        parties: Party -> `module:Class`.
        pip, env: Packages and variables for the room actors.
        working_dir: Whether they get a copy of the folder to work in.
    """

    folder: Path
    file: Path | None
    name: str
    parties: dict[str, str] = field(default_factory=dict)
    pip: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    working_dir: bool = False

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
        return load_classes(self.folder, lambda: self._classes())

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
        return Project(path.resolve().parent, path.resolve(), path.stem)
    file = path if path.name == PROJECT_FILE else path / PROJECT_FILE
    try:
        content = tomllib.loads(file.read_text())
    except FileNotFoundError as error:
        raise CannotLoad(
            f"there is no {str(file)!r}; name a file with room classes, "
            f"or a folder with a {PROJECT_FILE}"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CannotLoad(f"{file} cannot be read: {error}") from error
    return _project(file, content)


def _project(file: Path, content: dict[str, Any]) -> Project:
    _check(file, "", content, _KEYS)
    environment = _typed(file, "runtime_env", content.get("runtime_env", {}), dict)
    _check(file, "runtime_env.", environment, _ENVIRONMENT_KEYS)
    name = _typed(file, "name", content.get("name", file.resolve().parent.name), str)
    parties = _typed(file, "parties", content.get("parties", {}), dict)
    for party, where in parties.items():
        module, colon, attribute = str(where).partition(":")
        if not isinstance(where, str) or not (module and colon and attribute):
            raise CannotLoad(
                f"{file}: party {party!r} is {where!r}; it must name its class, as in "
                '"rooms.chat:Chat"'
            )
    if not parties:
        raise CannotLoad(f'{file} names no party; add [parties] with lines as chat = "rooms:Chat"')
    pip = _typed(file, "runtime_env.pip", environment.get("pip", []), list)
    env = _typed(file, "runtime_env.env", environment.get("env", {}), dict)
    return Project(
        file.resolve().parent,
        None,
        name,
        parties,
        [_typed(file, f"runtime_env.pip[{i}]", package, str) for i, package in enumerate(pip)],
        {key: _typed(file, f"runtime_env.env.{key}", value, str) for key, value in env.items()},
        _typed(file, "runtime_env.working_dir", environment.get("working_dir", False), bool),
    )


def _check(file: Path, where: str, content: dict[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(content.keys() - known)
    if unknown:
        raise CannotLoad(
            f"{file} has {where}{unknown[0]}, which is not understood; "
            f"allowed are {', '.join(sorted(where + key for key in known))}"
        )


def _typed(file: Path, name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise CannotLoad(f"{file}: {name} is {value!r}; it must be {_WORDS[kind]}")
    return value
