"""docs/partykit.md says what the suite shows, and every row is shown."""

from __future__ import annotations

from pathlib import Path

from .page import (
    MISSING,
    PAGE,
    Mark,
    Row,
    Section,
    marks_of,
    missing,
    read_marks,
    read_sections,
    render,
    unknown,
)

ROWS = [Section("A", [Row("one", "1", "a | b", "same"), Row("two", "2", "b", "other")])]


def test_the_page_is_up_to_date() -> None:
    """`make parity` was run after the last change."""
    assert PAGE.read_text() == render(read_sections(), read_marks())


def test_every_marker_names_a_row() -> None:
    """A row that was renamed takes its tests with it."""
    assert unknown(read_sections(), read_marks()) == []


def test_every_row_is_shown_by_a_test() -> None:
    """What no test shows is not promised."""
    assert missing(read_sections(), read_marks()) == []


def test_no_two_rows_have_one_name() -> None:
    """A marker would mean both."""
    names = [row.name for section in read_sections() for row in section.rows]
    assert len(names) == len(set(names))


def test_markers_are_read_from_the_sources() -> None:
    """Several names in one, of async tests as of others."""
    source = """
import pytest
@pytest.mark.parity("one", "two")
async def test_both(): ...
@pytest.mark.other("one")
@pytest.mark.parity("one")
def test_one(): ...
"""
    file = Path("tests/test_x.py")
    assert list(marks_of(source, file)) == [
        Mark("one", file, "test_both"),
        Mark("two", file, "test_both"),
        Mark("one", file, "test_one"),
    ]


def test_a_row_without_a_test_shows_as_missing() -> None:
    """And one with a test has a link to it."""
    marks = [Mark("one", Path("tests/test_x.py"), "test_it_works"), Mark("three", Path("x"), "t")]

    page = render(ROWS, marks)

    assert "| one | 1 | a \\| b | same | [it works](../tests/test_x.py) |" in page
    assert f"| two | 2 | b | other | {MISSING} |" in page
    assert missing(ROWS, marks) == ["two"]
    assert unknown(ROWS, marks) == [marks[1]]
