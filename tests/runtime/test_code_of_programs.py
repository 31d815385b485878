"""Room classes that a program has defined: packed with the modules that they are in."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest
from parlour.runtime.code import CannotLoad, load_classes, pack_classes
from parlour.runtime.deploying import deploy

from parlour import Room

RUN = (
    "import sys, cloudpickle; chat = cloudpickle.load(sys.stdin.buffer)['chat']; "
    "print(chat.greeting(chat.__new__(chat)), 'rooms_of_program' in sys.modules)"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that programs import from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    source = "import parlour\nWORD = 'hello'\nclass Chat(parlour.Room):\n"
    (tmp_path / "rooms_of_program.py").write_text(
        source + "    rooms_per_actor = 7\n    def greeting(self): return WORD\n"
    )
    yield tmp_path
    sys.modules.pop("rooms_of_program", None)


def test_a_module_that_is_no_package_of_others_travels_along(folder: Path) -> None:
    """A clean process elsewhere has the class, and not the module."""
    module = importlib.import_module("rooms_of_program")
    code = pack_classes({"chat": module.Chat})
    assert code.parties["chat"].rooms_per_actor == 7
    told = subprocess.run(
        [sys.executable, "-c", RUN], input=code.data, capture_output=True, cwd="/", check=True
    )
    assert told.stdout == b"hello False\n"


def test_a_program_of_one_file_is_enough(folder: Path) -> None:
    """What it defines itself, too, as in a notebook."""
    (folder / "program.py").write_text(
        "import sys, parlour\n"
        "from parlour.runtime.code import pack_classes\n"
        "def word(): return 'hello'\n"
        "class Chat(parlour.Room):\n"
        "    def greeting(self): return word()\n"
        "sys.stdout.buffer.write(pack_classes({'chat': Chat}).data)\n"
    )
    packed = subprocess.run(
        [sys.executable, folder / "program.py"], capture_output=True, cwd="/", check=True
    )
    told = subprocess.run(
        [sys.executable, "-c", RUN], input=packed.stdout, capture_output=True, cwd="/", check=True
    )
    assert told.stdout == b"hello False\n"


def test_packing_leaves_the_program_as_it_was(folder: Path) -> None:
    """What it pickles itself is pickled as before."""
    module = importlib.import_module("rooms_of_program")
    before = cloudpickle.dumps(module.Chat)
    pack_classes({"chat": module.Chat})
    assert cloudpickle.dumps(module.Chat) == before


def test_what_cannot_be_deployed_is_said() -> None:
    """No class, a name that no URL can carry, something that cannot travel."""

    class Chat(Room):
        pass

    with pytest.raises(CannotLoad, match="party 'chat' is 3; it must be a class"):
        pack_classes({"chat": 3})  # type: ignore[dict-item]
    with pytest.raises(CannotLoad, match="party 'chat' is 'a Chat'; it must be a class"):
        deploy(Chat())  # type: ignore[arg-type]
    with pytest.raises(CannotLoad, match="'My Chat' cannot stand in a URL"):
        pack_classes({"My Chat": Chat})
    Chat.generator = (each for each in "abc")  # type: ignore[attr-defined]
    with pytest.raises(CannotLoad, match="cannot be sent to a room actor"):
        pack_classes({"chat": Chat})


def test_nothing_to_deploy_is_said_before_any_cluster_is_looked_for() -> None:
    """With how it is called."""
    with pytest.raises(CannotLoad, match=r"as in deploy\(Chat\)"):
        deploy()


def test_whatever_goes_wrong_in_an_import_is_one_sentence(folder: Path) -> None:
    """A module that exits, too; the path of imports is as it was."""

    def find() -> dict[str, object]:
        raise SystemExit("one\ntwo")

    path = list(sys.path)
    with pytest.raises(CannotLoad, match="SystemExit: one two; correct it") as raised:
        load_classes(folder, find)
    assert str(folder) in str(raised.value)
    assert sys.path == path
