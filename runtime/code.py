"""Loading the room classes of a file and packing them for the cluster.

The classes, and everything that the file's own folder defines for them, travel by value: a room
actor needs no copy of the folder, and each version is a world of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from ..actors.options import RoomOptions, options_of
from ..actors.parties import PartyError, checked_parties, parties_of
from ..actors.room import Room

MODULE_NAME = "parlour_app"
_PARLOUR = __name__.partition(".")[0]
_PYTHON = tuple(sysconfig.get_path(part) for part in ("stdlib", "platstdlib"))
_INSTALLED = frozenset({"site-packages", "dist-packages"})


class CannotLoad(Exception):
    """Room classes that cannot be loaded; one sentence that says what to do."""


@dataclass(frozen=True)
class Code:
    """Room classes, packed."""

    parties: dict[str, RoomOptions]
    data: bytes


def load(file: Path) -> Code:
    """The room classes of `file`.

    Raises:
        CannotLoad: If there is no such file, it does not run, or its classes cannot be deployed.
    """
    if not file.is_file():
        raise CannotLoad(f"there is no file {str(file)!r}; name the file with your room classes")
    folder = file.resolve().parent
    with _importing(folder):
        module = _run(file)
        return _pack(lambda: parties_of(module), folder, str(file))


def load_classes(folder: Path, find: Callable[[], Mapping[str, Any]]) -> Code:
    """The room classes that `find` imports from modules of a folder, by party.

    Raises:
        CannotLoad: If they cannot be imported or deployed.
    """
    with _importing(folder):
        try:
            classes = find()
        except CannotLoad:
            raise
        except (Exception, SystemExit) as error:
            raise CannotLoad(
                f"the classes of {folder} cannot be imported: {type(error).__name__}: "
                f"{_one_line(error)}; correct it and try again"
            ) from error
        return _pack(lambda: checked_parties(classes), folder, str(folder))


def pack_classes(classes: Mapping[str, type[Room]]) -> Code:
    """Room classes that a program has defined, by party, with the modules that they are in.

    Raises:
        CannotLoad: If they cannot be deployed.
    """
    names = {getattr(each, "__module__", "") for each in classes.values()}
    own = [sys.modules[name] for name in names if name in sys.modules and _is_own(name)]
    return _pack_modules(lambda: checked_parties(classes), own, "these classes")


def _is_own(name: str) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    return name != "__main__" and bool(file) and not _is_installed(Path(str(file)))


@contextlib.contextmanager
def _importing(folder: Path) -> Iterator[None]:
    """Import what the folder has now, whatever was imported from it before."""
    for name in [name for name, _ in modules_in(folder)]:
        del sys.modules[name]  # of an earlier load
    sys.path.insert(0, str(folder))
    # Bytecode is taken for current by its source's size and second: two edits may share both.
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = written
        sys.path.remove(str(folder))


def _run(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE_NAME, file.resolve())
    if spec is None or spec.loader is None:
        raise CannotLoad(f"{file} is not a Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {_one_line(error)}{_last_line(error, file)}"
        raise CannotLoad(f"{file} cannot be loaded: {what}; correct it and try again") from error
    return module


def _pack(find: Callable[[], dict[str, type[Room]]], folder: Path, what: str) -> Code:
    return _pack_modules(find, [module for _, module in modules_in(folder)], what)


def _pack_modules(
    find: Callable[[], dict[str, type[Room]]], modules: list[ModuleType], what: str
) -> Code:
    for each in modules:
        cloudpickle.register_pickle_by_value(each)
    try:
        parties = find()
        options = {party: options_of(each) for party, each in parties.items()}
        return Code(options, cloudpickle.dumps(parties))
    except PartyError as error:
        raise CannotLoad(f"{what} cannot be deployed: {error}") from error
    except Exception as error:
        raise CannotLoad(
            f"the classes of {what} cannot be sent to a room actor: {_one_line(error)}; "
            "make open files, locks and the like in on_start, not in the module"
        ) from error
    finally:
        for each in modules:
            cloudpickle.unregister_pickle_by_value(each)


def modules_in(folder: Path) -> Iterator[tuple[str, ModuleType]]:
    """The loaded modules whose files are the project's own."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name != "__main__" and name.partition(".")[0] != _PARLOUR:
            path = Path(file)
            if path.is_relative_to(folder) and not _is_installed(path):
                yield name, module


def _is_installed(path: Path) -> bool:
    # Python itself may live below a project's folder: below the home folder, it often does.
    return not _INSTALLED.isdisjoint(path.parts) or any(map(path.is_relative_to, _PYTHON))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _last_line(error: BaseException, file: Path) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its text names the line
    own = [
        f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == file.resolve()
    ]
    return f" (line {own[-1].lineno})" if own else ""
