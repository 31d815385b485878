"""Reading a project's `parlour.toml`: each error says where, what was given and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from .code import CannotLoad

PROJECT_FILE = "parlour.toml"
_WORDS = {str: 'text, as in "x"', list: "a list", dict: "a table", bool: "true or false"}

T = TypeVar("T", str, list[Any], dict[str, Any], bool)


class Table:
    """A table of the file. What was asked for is known; `done` refuses the rest."""

    def __init__(self, file: Path, where: str, content: dict[str, Any]) -> None:
        """`where` is what its keys have in front of them: nothing, or its name and a dot."""
        self.file = file
        self._where = where
        self._content = content
        self._known: set[str] = set()

    def __repr__(self) -> str:
        return f"<Table {self._where or self.file}>"

    def text(self, key: str, default: str) -> str:
        """A text."""
        return self._get(key, default, str)

    def flag(self, key: str) -> bool:
        """True or false, which is what it is if it is not there."""
        return self._get(key, False, bool)

    def number(self, key: str, default: float, most: float) -> float:
        """A number above 0, up to `most`."""
        self._known.add(key)
        value = self._content.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            self._refuse(key, value, f"a number above 0, at most {most}")
        return float(value)

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        found: list[Any] = self._get(key, [], list)
        for place, each in enumerate(found):
            if not isinstance(each, str):
                self._refuse(f"{key}[{place}]", each, _WORDS[str])
        return found

    def mapping(self, key: str) -> dict[str, str]:
        """A table of texts, of any names."""
        found = self.any_table(key)
        for name, each in found.items():
            if not isinstance(each, str):
                self._refuse(f"{key}.{name}", each, _WORDS[str])
        return found

    def any_table(self, key: str) -> dict[str, Any]:
        """A table of any names and values."""
        return self._get(key, {}, dict)

    def table(self, key: str) -> Table:
        """A table of known keys."""
        return Table(self.file, f"{self._where}{key}.", self.any_table(key))

    def done(self) -> None:
        """Refuse what nobody has asked for.

        Raises:
            CannotLoad: If there is something.
        """
        unknown = sorted(self._content.keys() - self._known)
        if unknown:
            raise CannotLoad(
                f"{self.file} has {self._where}{unknown[0]}, which is not understood; "
                f"allowed are {', '.join(sorted(self._where + key for key in self._known))}"
            )

    def _get(self, key: str, default: T, kind: type[T]) -> T:
        self._known.add(key)
        value = self._content.get(key, default)
        if not isinstance(value, kind):
            self._refuse(key, value, _WORDS[kind])
        found: T = value
        return found

    def _refuse(self, key: str, value: object, allowed: str) -> None:
        raise CannotLoad(f"{self.file}: {self._where}{key} is {value!r}; it must be {allowed}")
