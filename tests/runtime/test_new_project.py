"""`parlour init`: a project that can be deployed, and whose own tests pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from parlour.runtime.project import read

from parlour.cli import main


def init(folder: Path) -> str:
    """What the command says, however it ends."""
    result = CliRunner().invoke(main, ["init", str(folder)])
    assert result.exit_code in (0, 1)
    return result.output


def test_the_project_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As parlour dev and parlour deploy load it; under the folder's name."""
    assert f"parlour dev {tmp_path / 'shop'}" in init(tmp_path / "shop")
    project = read(tmp_path / "shop")
    assert project.name == "shop"
    monkeypatch.setattr(sys, "modules", dict(sys.modules))  # what loading it leaves here
    assert set(project.load().parties) == {"main"}
    assert project.assets.folder == str(tmp_path / "shop" / "public")
    assert project.variables_of({}, {}) == {"GREETING": "Hello"}


def test_its_own_tests_pass(tmp_path: Path) -> None:
    """As they are written, with pytest as it comes."""
    init(tmp_path / "shop")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "shop",
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    """An empty folder is filled, another is not touched."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    assert "has files in it; name a folder that is new, or empty" in init(tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["file"]
    (tmp_path / "empty").mkdir()
    assert "parlour dev" in init(tmp_path / "empty")


@pytest.mark.parametrize("name", ['a"b', "-x", "a b"])
def test_a_name_that_no_project_can_have_is_refused(tmp_path: Path, name: str) -> None:
    """Before anything is written."""
    result = CliRunner().invoke(main, ["init", "--", str(tmp_path / name)])
    assert result.exit_code == 1
    assert "cannot be the name of a project" in result.output
    assert list(tmp_path.iterdir()) == []
