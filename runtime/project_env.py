"""The project's variables: what `Room.env` and `Lobby.env` have, and where each is from.

The later of these wins: `[env]` of the project's `parlour.toml`, its `.env` file, an environment
variable of a name that one of the two has, what the command line gives. Other environment
variables are nobody's business. Values are text; no message here names one, they may be secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from .code import CannotLoad

ENV_FILE = ".env"
ENV_BYTES_MAX = 1024 * 1024  # of all names and values
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def resolve(
    folder: Path,
    declared: Mapping[str, str],
    environment: Mapping[str, str],
    given: Mapping[str, str],
) -> dict[str, str]:
    """The variables of the project in a folder.

    `declared` are those of `[env]`, `environment` is that of this process, `given` is what the
    command line says.

    Raises:
        CannotLoad: If a name is none, the file cannot be read, or all of them are over the limit.
    """
    found = {**declared, **_file(folder / ENV_FILE)}
    found = {name: environment.get(name, value) for name, value in found.items()} | dict(given)
    for name in found:
        if not _NAME.fullmatch(name):
            raise CannotLoad(
                f"the variable {name!r} of {folder} has no name that one can have; "
                "use letters, digits and `_`"
            )
    size_bytes = sum(len(name.encode()) + len(value.encode()) for name, value in found.items())
    if size_bytes > ENV_BYTES_MAX:
        raise CannotLoad(
            f"the variables of {folder} are {size_bytes} bytes, the most is {ENV_BYTES_MAX}; "
            "keep large values in files or storage"
        )
    return found


def _file(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        # As they are written: a `$` in a password is none of a variable.
        values = dotenv_values(file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise CannotLoad(f"{file} cannot be read: {type(error).__name__}") from error
    return {name: value or "" for name, value in values.items()}
