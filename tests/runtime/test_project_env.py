"""The project's variables: which there are, and which of several values one has."""

from __future__ import annotations

from pathlib import Path

import pytest
from parlour.runtime.code import CannotLoad
from parlour.runtime.project_env import ENV_BYTES_MAX, resolve


def test_the_nearer_source_wins(tmp_path: Path) -> None:
    """parlour.toml, then .env, then the environment, then the command line."""
    (tmp_path / ".env").write_text("B=file\nC=file\nD=file\nE=file\n")
    declared = {name: "toml" for name in "ABCD"}
    environment = {"C": "environment", "D": "environment", "E": "environment", "HOME": "/root"}
    assert resolve(tmp_path, declared, environment, {"D": "given", "F": "given"}) == {
        "A": "toml",
        "B": "file",
        "C": "environment",
        "D": "given",
        "E": "environment",
        "F": "given",
    }


@pytest.mark.parity("room.env")
def test_other_environment_variables_are_not_the_projects(tmp_path: Path) -> None:
    """Rooms see what their project names, and nothing of the machine that deploys it."""
    assert resolve(tmp_path, {}, {"AWS_SECRET_ACCESS_KEY": "x", "PATH": "/bin"}, {}) == {}


def test_a_file_is_read_as_such_files_are_written(tmp_path: Path) -> None:
    """Comments, quotes, export; a dollar sign is one."""
    (tmp_path / ".env").write_text(
        "# of the shop\nexport A=1\nB=\"two words\"  # yes\nC='x#y'\nD=$A${B}\nE=\nF\n"
    )
    assert resolve(tmp_path, {}, {}, {}) == {
        "A": "1",
        "B": "two words",
        "C": "x#y",
        "D": "$A${B}",
        "E": "",
        "F": "",
    }


@pytest.mark.parametrize("name", ["1A", "A-B", "A B", ""])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    """It is named, and what names are made of; its value, which may be a secret, is not told."""
    with pytest.raises(CannotLoad, match="use letters") as raised:
        resolve(tmp_path, {name: "the secret"}, {}, {})
    assert "secret" not in str(raised.value)


def test_too_much_is_refused(tmp_path: Path) -> None:
    """It travels with each deploy, to each process."""
    resolve(tmp_path, {"A": "x" * (ENV_BYTES_MAX - 1)}, {}, {})
    with pytest.raises(CannotLoad, match=f"are {ENV_BYTES_MAX + 1} bytes, the most is"):
        resolve(tmp_path, {"A": "x" * ENV_BYTES_MAX}, {}, {})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """By its name."""
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(CannotLoad, match=r"\.env cannot be read"):
        resolve(tmp_path, {}, {}, {})
