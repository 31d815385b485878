"""The profile of a message adds up, and gets into the page that shows it."""

from pathlib import Path

import pytest

from benchmarks.profile_message import BEGIN, END, PAGE, shares_of, tables, write_page

CONTENT = {
    "measured_at": "2026-01-02T03:04:05+00:00",
    "machine": {"cpu": "some", "cores": 2, "python": "3.11"},
    "profiles": [
        {
            "case": "50 clients",
            "per_second": 40_000.0,
            "p50_us": 1000.0,
            "costs": [
                {"who": "gateway", "user_us": 5.0, "kernel_us": 6.5},
                {"who": "room actor", "user_us": 3.0, "kernel_us": 2.0},
            ],
            "parts": {"gateway": {"write": 0.5}, "room actor": {}},
        }
    ],
}


def test_the_table_adds_up() -> None:
    """Each process in its own code and in the kernel, and all of them together."""
    lines = list(tables(CONTENT))

    assert "| gateway | 5.0 | 6.5 | 11.5 |" in lines
    assert "| all | 8.0 | 8.5 | 16.5 |\n" in lines
    assert "Innermost functions of the gateway: `write` 50%\n" in lines


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    """The page's own words stay, however often its figures are written."""
    page = tmp_path / "page.md"
    page.write_text(f"Before\n{BEGIN}\nold\n{END}\nafter\n")

    for _ in range(2):
        write_page(page, CONTENT)

    text = page.read_text()
    assert text.startswith(f"Before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert text.count("| gateway |") == 1


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    """Nobody's text is overwritten; the page in docs has its marks."""
    page = tmp_path / "page.md"
    page.write_text("Only words")

    with pytest.raises(ValueError, match="to write between"):
        write_page(page, CONTENT)

    assert page.read_text() == "Only words"
    assert BEGIN in PAGE.read_text()


def test_samples_are_shared_out_by_the_innermost_function() -> None:
    """Largest first; a function's name may have spaces in it."""
    shares = shares_of("main;loop;read (a.py:1) 1\nmain;loop;write 3\nmain;write 4\n")

    assert shares == {"write": 7 / 8, "read (a.py:1)": 1 / 8}
