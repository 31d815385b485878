"""The map of folders in ARCHITECTURE.md names the files that are there, and all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("parlour", "runtime", "actors", "storage", "testing")
_NAME = re.compile(r"(\w+)(\*|\(\w+\))?")


def parts() -> dict[str, str]:
    """Folder -> what the map has below it."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    _, _, after = text.partition("## Where things are")
    found = re.split(r"^(\w+)/ ", after.split("```")[1], flags=re.M)
    return dict(zip(found[1::2], found[2::2], strict=True))


def names(part: str) -> tuple[set[str], set[str]]:
    """The words of a part of the map, and the beginnings: `link(s)` is two words, `codec*` one
    beginning."""
    words, beginnings = set(), set()
    for word, more in _NAME.findall(part):
        if more == "*":
            beginnings.add(word)
        else:
            words |= {word, word + more.strip("()")}
    return words, beginnings


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_in_the_map(folder: str) -> None:
    """Whoever looks for a subject finds it there."""
    words, beginnings = names(parts()[folder])
    files = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__", "__main__"}
    missing = {f for f in files - words if not f.startswith(tuple(beginnings) or ("*",))}
    assert not missing, f"name {missing} in the map of ARCHITECTURE.md, under {folder}/"


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_the_map_names_is_there(folder: str) -> None:
    """At least what can be nothing but a name of a file."""
    words, beginnings = names(parts()[folder])
    files = {path.stem for path in (ROOT / folder).glob("*.py")}
    gone = {word for word in words - files if "_" in word}
    gone |= {each for each in beginnings if not any(f.startswith(each) for f in files)}
    assert not gone, f"take {gone} out of the map of ARCHITECTURE.md, under {folder}/"
