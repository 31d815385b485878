"""The plugin, in a project of its own, as docs/testing.md has it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "testing.md"
FILES = re.compile(r"^`(\S+\.py)`:\n\n```python\n(.*?)```$", re.MULTILINE | re.DOTALL)


def test_the_project_in_the_docs_passes_its_tests(tmp_path: Path) -> None:
    """Every file that the page names, as it stands there."""
    files = FILES.findall(DOCS.read_text())
    assert {"chat.py", "conftest.py", "test_chat.py"} <= {name for name, _ in files}
    for name, text in files:
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
