"""A project's static files as one piece of data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from parlour.runtime import asset_pack
from parlour.runtime.asset_pack import name_of, pack, unpack
from parlour.runtime.code import CannotLoad


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some files, a secret beside them, and a link to it."""
    folder = tmp_path / "public"
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "index.html").write_text("<p>home")
    (folder / "sub" / "app.js").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "secret").write_text("secret")
    (folder / "leak").symlink_to(tmp_path / "secret")
    (folder / "alias").symlink_to(folder / "index.html")
    return folder


def test_what_was_packed_is_there_again(folder: Path, tmp_path: Path) -> None:
    """Every file and nothing else; what a link in it names is a file, one from outside is not."""
    unpack(pack(folder), tmp_path / "there")
    found = {str(f.relative_to(tmp_path / "there")): f for f in (tmp_path / "there").rglob("*.*")}
    assert set(found) == {"index.html", "sub/app.js"}
    assert found["sub/app.js"].read_bytes() == bytes(range(256)) * 100
    assert (tmp_path / "there" / "alias").read_text() == "<p>home"
    assert not (tmp_path / "there" / "leak").exists()


def test_the_same_files_are_the_same_pack(folder: Path) -> None:
    """Whenever they were written; others have another name."""
    first = pack(folder)
    os.utime(folder / "index.html", (1, 1))
    assert pack(folder) == first
    (folder / "index.html").write_text("<p>home!")
    assert name_of(pack(folder)) != name_of(first)


def test_a_folder_that_is_there_stays(folder: Path, tmp_path: Path) -> None:
    """Two may unpack the same at once, and files may be being served from it."""
    data = pack(folder)
    unpack(data, tmp_path / "there")
    before = os.stat(tmp_path / "there" / "index.html").st_ino
    unpack(data, tmp_path / "there")
    assert os.stat(tmp_path / "there" / "index.html").st_ino == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["public", "secret", "there"]


def test_an_empty_folder_is_one(tmp_path: Path) -> None:
    """There may be nothing to serve yet."""
    (tmp_path / "empty").mkdir()
    unpack(pack(tmp_path / "empty"), tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []


def test_too_much_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be kept in memory; the error says what to do."""
    monkeypatch.setattr(asset_pack, "PACK_BYTES_MAX", 100)
    with pytest.raises(CannotLoad, match="over 100 bytes, packed; serve large ones"):
        pack(folder)
