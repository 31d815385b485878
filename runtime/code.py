"""Loading the room classes of a file and packing them for the cluster.

The classes, and everything that the file's own folder defines for them, travel by value: a room
actor needs no copy of the folder, and each version is a world of its own.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cloudpickle

from ..actors.options import RoomOptions, options_of
from ..actors.parties import PartyError, parties_of

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
    for name in [name for name, _ in modules_in(folder)]:
        del sys.modules[name]  # of an earlier load
    sys.path.insert(0, str(folder))
    # Bytecode is taken for current by its source's size and second: two edits may share both.
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    importlib.invalidate_caches()
    try:
        module = _run(file)
        return _pack(module, folder, file)
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


def _pack(module: ModuleType, folder: Path, file: Path) -> Code:
    registered = [m for _, m in modules_in(folder)]
    for each in registered:
        cloudpickle.register_pickle_by_value(each)
    try:
        parties = parties_of(module)
        options = {party: options_of(each) for party, each in parties.items()}
        return Code(options, cloudpickle.dumps(parties))
    except PartyError as error:
        raise CannotLoad(f"{file} cannot be deployed: {error}") from error
    except Exception as error:
        raise CannotLoad(
            f"the classes of {file} cannot be sent to a room actor: {_one_line(error)}; "
            "make open files, locks and the like in on_start, not in the module"
        ) from error
    finally:
        for each in registered:
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
