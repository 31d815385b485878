"""Installs a peer where its benchmark can find it: pinned, from its registry, once.

Everything goes to the folder of the benchmarks' results, nothing into the environment that runs
them. A folder whose pinned list changed is made anew; one whose installation failed counts as none.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.process import PeerFailed

INSTALL_TIMEOUT_S = 600.0
ERROR_BYTES_SHOWN = 2000  # of what pip or npm said at last
DONE = ".installed"  # the file that says what is in the folder


def python_with(folder: Path, requirements: Sequence[str]) -> Path:
    """The Python of a virtual environment with these packages, `name==version` each.

    Raises:
        PeerFailed: They could not be installed; says what pip said.
    """
    python = folder / "bin" / "python"
    if not _is_done(folder, requirements):
        _run([sys.executable, "-m", "venv", str(folder)], "an environment could not be made")
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*command, *requirements], f"pip could not install {', '.join(requirements)}")
        _note_done(folder, requirements)
    return python


def node_modules_with(folder: Path, packages: Sequence[str]) -> Path:
    """The folder `node_modules` with these packages, `name@version` each; their scripts do not run.

    Raises:
        PeerFailed: npm is missing or could not install them; says what it said.
    """
    if not _is_done(folder, packages):
        npm = shutil.which("npm")
        if npm is None:
            raise PeerFailed(f"npm, which installs {packages[0]}, is not there: install Node.js")
        folder.mkdir(parents=True)
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund"]
        _run(
            [*command, "--prefix", str(folder), *packages],
            f"npm could not install {', '.join(packages)}",
        )
        _note_done(folder, packages)
    return folder / "node_modules"


def _is_done(folder: Path, wanted: Sequence[str]) -> bool:
    """Whether all is there; what is there of something else is removed."""
    done = folder / DONE
    if done.exists() and done.read_text().split() == list(wanted):
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _note_done(folder: Path, wanted: Sequence[str]) -> None:
    (folder / DONE).write_text("\n".join(wanted) + "\n")


def _run(command: list[str], otherwise: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"{otherwise} within {INSTALL_TIMEOUT_S:.0f} s") from None
    if done.returncode:
        raise PeerFailed(f"{otherwise}:\n{done.stderr[-ERROR_BYTES_SHOWN:]}")
