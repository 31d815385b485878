"""Peers are installed at their pinned versions, once, or the reason is told."""

import stat
from pathlib import Path

import pytest

from benchmarks.peers.installed import DONE, node_modules_with
from benchmarks.peers.partykit import EVERY_INTERFACE, LOOPBACK, listen_on_loopback
from benchmarks.peers.process import PeerFailed

# Stands where npm is: notes each call, and makes the folder as npm does.
NPM = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
if [ -e "$(dirname "$0")/broken" ]; then echo "no such package" >&2; exit 1; fi
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules"
"""


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an npm that installs nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "npm"
    program.write_text(NPM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def test_what_is_there_is_not_installed_again(npm: Path, tmp_path: Path) -> None:
    """Unless another version is pinned, which takes the place of the one before."""
    folder = tmp_path / "peer"

    for version in ("1.0", "1.0", "2.0"):
        modules = node_modules_with(folder, [f"peer@{version}"])

    calls = (npm / "calls").read_text().splitlines()
    assert [call.rpartition(" ")[2] for call in calls] == ["peer@1.0", "peer@2.0"]
    assert all("--ignore-scripts" in call for call in calls)
    assert modules.is_dir()


def test_a_failed_installation_is_told_and_tried_again(npm: Path, tmp_path: Path) -> None:
    """With what the installer said; half an installation is not taken for one."""
    folder = tmp_path / "peer"
    (npm / "broken").touch()
    with pytest.raises(PeerFailed, match="no such package"):
        node_modules_with(folder, ["peer@1.0"])
    assert not (folder / DONE).exists()

    (npm / "broken").unlink()

    assert node_modules_with(folder, ["peer@1.0"]).is_dir()


def test_partykit_listens_on_the_loopback_or_not_at_all(tmp_path: Path) -> None:
    """The one word is replaced, once; a program without it is refused."""
    program = tmp_path / "bin.mjs"
    program.write_text(f"new Miniflare({{ {EVERY_INTERFACE} }})")
    for _ in range(2):
        listen_on_loopback(program)
    assert program.read_text() == f"new Miniflare({{ {LOOPBACK} }})"

    program.write_text("listens somewhere")
    with pytest.raises(PeerFailed, match="must not listen"):
        listen_on_loopback(program)
