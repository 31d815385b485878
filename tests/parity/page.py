"""docs/partykit.md, of the rows and of the tests that are marked with their names.

Markers are read from the sources, so that a page takes no run of the suite. They are literal:
`@pytest.mark.parity("onStart", "wake order")` on a function, or `pytestmark` of a module.
"""

from __future__ import annotations

import ast
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = Path(__file__).with_name("rows.toml")
PAGE = ROOT / "docs" / "partykit.md"
SUITES = ("tests", "examples")
MARK = "parity"
MISSING = "**missing**"

INTRODUCTION = """\
# Beside PartyKit

Who knows PartyKit, partyserver or Durable Objects finds everything here under its name in
snake_case, and `partysocket` connects unchanged. This is what each of their features is in Parlour,
where it differs and why, and which tests show it. (Made by `make parity` from
`tests/parity/rows.toml`; change it there.)
"""


@dataclass(frozen=True)
class Row:
    """One feature."""

    name: str
    theirs: str
    ours: str
    difference: str


@dataclass(frozen=True)
class Section:
    """Rows under a title."""

    title: str
    rows: list[Row]


@dataclass(frozen=True)
class Mark:
    """That a test shows a row."""

    row: str
    file: Path  # below the checkout
    test: str


def read_sections() -> list[Section]:
    """The rows, as rows.toml has them."""
    return [
        Section(section["title"], [Row(**row) for row in section["row"]])
        for section in tomllib.loads(ROWS.read_text())["section"]
    ]


def read_marks() -> list[Mark]:
    """All markers of the suite, in the order of files and lines."""
    files = sorted(
        Path(folder, name)
        for suite in SUITES
        for folder, _, names in os.walk(ROOT / suite)
        for name in names
        if name.startswith("test_") and name.endswith(".py")
    )
    return [mark for file in files for mark in marks_of(file.read_text(), file.relative_to(ROOT))]


def marks_of(source: str, file: Path) -> Iterator[Mark]:
    """The markers in one module."""
    if MARK not in source:
        return
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                for row in _rows(decorator):
                    yield Mark(row, file, node.name)


def _rows(node: ast.expr) -> list[str]:
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != f"pytest.mark.{MARK}":
        return []
    return [ast.literal_eval(argument) for argument in node.args]


def unknown(sections: list[Section], marks: list[Mark]) -> list[Mark]:
    """Markers that name no row."""
    known = {row.name for section in sections for row in section.rows}
    return [mark for mark in marks if mark.row not in known]


def missing(sections: list[Section], marks: list[Mark]) -> list[str]:
    """Rows that no test shows."""
    shown = {mark.row for mark in marks}
    return [row.name for section in sections for row in section.rows if row.name not in shown]


def render(sections: list[Section], marks: list[Mark]) -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for section in sections:
        parts.append(f"\n## {section.title}\n\n")
        parts.append(
            "| feature | theirs | Parlour | difference, and why | tests |\n|---|---|---|---|---|\n"
        )
        for row in section.rows:
            tests = [mark for mark in marks if mark.row == row.name]
            cells = (row.name, row.theirs, row.ours, row.difference, links(tests))
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(parts)


def links(tests: list[Mark]) -> str:
    """The tests of a row, by their names as sentences."""
    return (
        "; ".join(
            f"[{mark.test.removeprefix('test_').replace('_', ' ')}](../{mark.file.as_posix()})"
            for mark in tests
        )
        or MISSING
    )


def main() -> None:
    """Write the page anew, and say which rows have no test."""
    sections, marks = read_sections(), read_marks()
    PAGE.write_text(render(sections, marks))
    rows = sum(len(section.rows) for section in sections)
    without = missing(sections, marks)
    print(f"{PAGE.relative_to(ROOT)}: {rows} rows, {len(marks)} tests, {len(without)} missing")
    for name in without:
        print(f"  missing: {name}")
    for mark in unknown(sections, marks):
        print(f"  no such row: {mark.row!r}, in {mark.file}")


if __name__ == "__main__":
    main()
