"""The folder of a node's sockets: whoever may enter it may speak for a room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from parlour.runtime import sockets_folder


def test_it_is_made_for_this_user_alone(tmp_path: Path) -> None:
    """Whatever new files are open to; one that is like that already is taken over as it is."""
    before = os.umask(0)
    try:
        sockets_folder.make(str(tmp_path / "parlour"))
    finally:
        os.umask(before)
    assert (tmp_path / "parlour").stat().st_mode & 0o777 == 0o700
    (tmp_path / "parlour" / "manager.sock").touch()
    sockets_folder.make(str(tmp_path / "parlour"))
    assert (tmp_path / "parlour" / "manager.sock").exists()


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o740, 0o704, 0o777, 0o770])
def test_one_that_others_may_enter_is_refused(tmp_path: Path, mode: int) -> None:
    """With what to do; it is left as it is."""
    folder = tmp_path / "parlour"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PermissionError, match="nobody else may enter.*remove it") as raised:
        sockets_folder.make(str(folder))
    assert str(folder) in str(raised.value)
    assert folder.stat().st_mode & 0o777 == mode


def test_one_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it lets nobody else in."""
    folder = tmp_path / "parlour"
    folder.mkdir(mode=0o700)
    another = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: another)
    with pytest.raises(PermissionError, match="belongs to this user"):
        sockets_folder.make(str(folder))


@pytest.mark.parametrize("what", ["link", "dangling link", "file"])
def test_what_is_no_folder_is_refused(tmp_path: Path, what: str) -> None:
    """A link may lead to one today and elsewhere tomorrow."""
    (tmp_path / "own").mkdir(mode=0o700)
    path = tmp_path / "parlour"
    if what == "file":
        path.touch(mode=0o600)
    else:
        path.symlink_to(tmp_path / ("own" if what == "link" else "nowhere"))
    with pytest.raises(PermissionError, match="must be a folder"):
        sockets_folder.make(str(path))


def test_it_is_removed_with_its_sockets_alone(tmp_path: Path) -> None:
    """Anything else in it is somebody's; one that is not there is removed already."""
    folder = tmp_path / "parlour"
    sockets_folder.make(str(folder))
    (folder / "room-1.sock").touch()
    (folder / "notes").touch()
    sockets_folder.remove(str(folder))
    assert [each.name for each in folder.iterdir()] == ["notes"]
    (folder / "notes").unlink()
    sockets_folder.remove(str(folder))
    assert not folder.exists()
    sockets_folder.remove(str(folder))
