"""The wheel that users install, built from a copy of the sources: a build leaves files behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("parlour", "runtime", "actors", "storage", "testing")
FILES = ("pyproject.toml", "README.md", "LICENSE")
BUILD_TIMEOUT_S = 100


def build_wheel(folder: Path) -> Path:
    """Build it in `folder / "sources"`, offline; returns the file."""
    copy = folder / "sources"
    copy.mkdir()
    for part in FOLDERS:
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, copy)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--wheel-dir", "dist", "."],
        cwd=copy,
        env={"PATH": os.environ["PATH"], "HOME": str(copy)},
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = (copy / "dist").glob("*.whl")
    return built
