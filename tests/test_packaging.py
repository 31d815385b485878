"""The wheel: what users install, built here and imported from a clean environment."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from .support.wheel import FOLDERS, ROOT, build_wheel


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the checkout, with a bare environment, and return what it printed."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what is in the checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that holds the wheel.

    Parlour's dependencies are lent by the environment that runs the tests, as a last resort of its
    path: a second Ray takes minutes to install. Links of editable installs are not lent.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index")
    run(*pip, wheel, cwd=folder)
    [site_packages] = folder.glob("lib/python*/site-packages")
    (site_packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_holds_all_that_the_folders_hold(wheel: Path) -> None:
    """Every module, script, page and type marker of the four folders is in it, and no more."""
    installed_as = {"parlour": Path("parlour")} | {
        folder: Path("parlour", folder) for folder in FOLDERS[1:]
    }
    expected = {
        str(installed_as[folder] / path.relative_to(ROOT / folder))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    packed = zipfile.ZipFile(wheel).namelist()

    assert {name for name in packed if ".dist-info/" not in name} == expected
    assert {f"{folder}/py.typed" for folder in map(str, installed_as.values())} <= expected


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    """Apache-2.0, by its name and by its text."""
    packed = zipfile.ZipFile(wheel)
    [metadata] = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]

    assert "License-Expression: Apache-2.0" in packed.read(metadata).decode()
    assert any(name.endswith("/licenses/LICENSE") for name in packed.namelist())


def test_an_installed_parlour_imports(clean_python: Path, tmp_path: Path) -> None:
    """`from parlour import Room` works in an environment that has only the wheel of it."""
    program = "import parlour; from parlour import Room; print(parlour.__file__, Room.__module__)"

    file, module = run(clean_python, "-c", program, cwd=tmp_path).split()

    assert Path(file).is_relative_to(clean_python.parent.parent)
    assert module.startswith("parlour")


def test_an_installed_parlour_has_its_command(clean_python: Path, tmp_path: Path) -> None:
    """The wheel brings the command line."""
    assert "dev" in run(clean_python.parent / "parlour", "--help", cwd=tmp_path)


@pytest.mark.timeout(150)
def test_a_ray_worker_imports_the_installed_parlour(clean_python: Path, tmp_path: Path) -> None:
    """A worker that Ray starts imports `Room` from the wheel, by reference and by value alike."""
    program = tmp_path / "program.py"
    program.write_text(
        """
import json
import ray
from parlour import Room

class Mine(Room):                      # defined in the driver: travels by value
    pass

@ray.remote
def in_a_worker(room_class):
    import parlour
    from parlour import Room
    return [parlour.__file__, room_class is not Room and issubclass(room_class, Room)]

ray.init(num_cpus=1, include_dashboard=False, logging_level="error", _node_ip_address="127.0.0.1")
print(json.dumps(ray.get(in_a_worker.remote(Mine))))
"""
    )

    file, is_a_room = json.loads(run(clean_python, program, cwd=tmp_path).splitlines()[-1])

    assert Path(file).is_relative_to(clean_python.parent.parent)
    assert is_a_room
