"""The pinned npm packages, in a folder of `build/` that is kept from run to run."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.support.requirements import require

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / "build" / "clients"
SOURCES = ("driver.js", "page.jsx")
INSTALL_TIMEOUT_S = 180


def installed() -> Path:
    """The folder with `node_modules` as package-lock.json says; skips, or fails in CI, without.

    Scripts of packages are not run: none of these needs one.
    """
    npm = shutil.which("npm")
    require(
        npm and shutil.which("node"), "node and npm are not installed (nodejs.org, 18 or newer)"
    )
    lock = HERE / "package-lock.json"
    folder = CACHE / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    done = folder / "installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        run = subprocess.run(
            [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
        require(run.returncode == 0, f"npm could not install the clients: {run.stderr[-500:]}")
        done.touch()
    for name in SOURCES:
        shutil.copy(HERE / name, folder)
    return folder


def bundle(folder: Path, source: str) -> str:
    """A script for browsers of one of the sources and all that it imports."""
    run = subprocess.run(
        [
            str(folder / "node_modules" / ".bin" / "esbuild"),
            *(source, "--bundle", "--minify", "--jsx=automatic", "--log-level=warning"),
            '--define:process.env.NODE_ENV="production"',
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return run.stdout
