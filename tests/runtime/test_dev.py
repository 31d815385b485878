"""What `parlour dev` runs of a file or a project; that it runs is shown in tests/system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import watchfiles
from parlour.runtime.code import CannotLoad
from parlour.runtime.dev import Sources, load

ROOMS = "from parlour import Room\nclass Main(Room): pass\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project; what loading it leaves here is taken away."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "rooms.py").write_text(ROOMS)
    (tmp_path / "public").mkdir()
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    (tmp_path / "parlour.toml").write_text(
        '[parties]\nmain = "rooms:Main"\n[runtime_env]\nenv = { C = "1" }\nworking_dir = true\n'
    )
    return tmp_path


def test_a_project_is_run_with_all_that_it_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables from everywhere; its own folder where nodes of a cluster would have a copy."""
    monkeypatch.setenv("B", "environment")
    release = load(folder, {"D": "given"})
    assert release.env == {"A": "file", "B": "environment", "D": "given"}
    assert release.runtime_env == {"env_vars": {"PYTHONPATH": str(folder), "C": "1"}}
    assert release.assets.folder == str(folder / "public")
    assert release.assets_pack == b""


def test_a_file_is_run_with_what_is_beside_it(folder: Path) -> None:
    """Its variables and static files."""
    release = load(folder / "rooms.py", {})
    assert set(release.code.parties) == {"main"}
    assert (release.env["A"], release.runtime_env) == ("file", {})
    assert release.assets.folder == str(folder / "public")


def test_a_folder_without_a_project_is_said(tmp_path: Path) -> None:
    """With what can be named."""
    with pytest.raises(CannotLoad, match="a folder with a parlour.toml"):
        load(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "reloads"),
    [("rooms.py", True), ("parlour.toml", True), (".env", True), ("notes.txt", False)],
)
def test_what_a_project_depends_on_is_watched(tmp_path: Path, name: str, reloads: bool) -> None:
    """Python, its toml and its variables; pages are served anew as they are."""
    assert Sources()(watchfiles.Change.modified, str(tmp_path / name)) is reloads
