"""Loading room classes: they travel by value, and what is wrong with them is one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from parlour.runtime.code import CannotLoad, Code, load, modules_in

CHAT = """
    from parlour import Room

    class Chat(Room):
        def greeting(self):
            return "hello"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project; what loading it leaves behind in this process is taken away."""
    modules = dict(sys.modules)
    monkeypatch.setattr(sys, "modules", modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path


def write(folder: Path, source: str, name: str = "rooms.py") -> Path:
    """A file of the project."""
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(textwrap.dedent(source))
    return file


def classes(code: Code) -> dict[str, Any]:
    """The classes as a room actor gets them."""
    unpacked: dict[str, Any] = cloudpickle.loads(code.data)
    return unpacked


def test_the_classes_of_a_file_are_its_parties(folder: Path) -> None:
    """With their options, checked before anything is deployed."""
    code = load(write(folder, CHAT + "        hibernate_after = 3\n"))
    assert list(code.parties) == ["chat", "main"]
    assert code.parties["chat"].hibernate_after_s == 3.0
    assert set(classes(code)) == {"chat", "main"}


def test_a_room_actor_needs_no_copy_of_the_folder(folder: Path) -> None:
    """Classes, helpers, constants and the modules beside the file travel by value."""
    write(folder, "from .deep import WORD\nSHOUT = WORD.upper()", "words/__init__.py")
    write(folder, "WORD = 'hello'", "words/deep.py")
    write(folder, "from words import SHOUT\ndef say(name): return SHOUT + ' ' + name", "speech.py")
    file = write(
        folder,
        """
        from dataclasses import dataclass
        from parlour import Room
        from speech import say

        @dataclass
        class Visitor:
            name: str

        class Chat(Room):
            def greeting(self):
                return say(Visitor("ada").name)
        """,
    )
    code = load(file)
    for each in [*folder.rglob("*.py")]:
        each.unlink()
    run = (
        "import sys, cloudpickle; print(cloudpickle.load(sys.stdin.buffer)['chat'].greeting(None))"
    )
    told = subprocess.run(
        [sys.executable, "-c", run], input=code.data, capture_output=True, check=True, cwd="/"
    )
    assert told.stdout == b"HELLO ada\n"


def test_a_changed_file_is_loaded_as_it_is_now(folder: Path) -> None:
    """Also when it has kept its size and its time, and so have the modules beside it."""
    write(folder, "WORD = 'one'", "words.py")
    source = CHAT.replace("from parlour", "from words import WORD\n    from parlour")
    file = write(folder, source.replace('"hello"', "WORD + 'a'"))
    assert classes(load(file))["chat"].greeting(None) == "onea"

    for path, before, after in ((folder / "words.py", "one", "two"), (file, "'a'", "'b'")):
        times = path.stat()
        path.write_text(path.read_text().replace(before, after))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert classes(load(file))["chat"].greeting(None) == "twob"


def test_loading_leaves_no_files_in_the_folder(folder: Path) -> None:
    """A project is the developer's: no caches appear in it, and imports stay as they were."""
    write(folder, "WORD = 'one'", "words.py")
    file = write(folder, CHAT.replace("from parlour", "import words\n    from parlour"))
    path = list(sys.path)
    load(file)
    assert {each.name for each in folder.iterdir()} == {"words.py", "rooms.py"}
    assert sys.path == path


def test_a_version_that_was_loaded_before_is_a_world_of_its_own(folder: Path) -> None:
    """The next load changes nothing in it."""
    file = write(folder, CHAT)
    first = classes(load(file))["chat"]
    write(folder, CHAT.replace("hello", "goodbye"))
    second = classes(load(file))["chat"]
    assert (first.greeting(None), second.greeting(None)) == ("hello", "goodbye")


WRONG = {
    "nothing in it": ("", "has no room class; define one"),
    "no room class": ("class Chat: pass", "has no room class; define one"),
    "a syntax error": ("def f(:\n    pass", r"SyntaxError.*line 1.*correct it"),
    "an error at the top": ("x = 1\ny = x / 0\n", r"ZeroDivisionError.*line 2.*correct it"),
    "an import that is not there": ("import nowhere_at_all", "ModuleNotFoundError.*line 1"),
    "an exit": ("import sys\nsys.exit(3)", r"SystemExit.*line 2"),
    "an exit without a word": ("raise SystemExit", "SystemExit"),
    "an error of several lines": ("raise ValueError('one\\ntwo\\n\\nthree')", "one two three"),
    "not Python at all": ("\x00\x01\x02", "cannot be loaded"),
    "two classes for one party": (
        "from parlour import Room\nclass Chat(Room): pass\nclass CHAT(Room): pass",
        "would both be party 'chat'; rename one",
    ),
    "a name that no URL can carry": (
        "from parlour import Room\nclass Café(Room): pass",
        "party 'café' cannot stand in a URL",
    ),
    "an option that cannot be": (
        "from parlour import Room\nclass Chat(Room): hibernate_after = -1",
        r"Chat\.hibernate_after = -1 was given; it must be a number of seconds above 0",
    ),
    "something that cannot travel": (
        "import threading\nfrom parlour import Room\nlock = threading.Lock()\n"
        "class Chat(Room):\n    def on_start(self): lock.acquire()",
        "cannot be sent to a room actor.*in on_start",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_file_is_said_in_one_sentence(folder: Path, what: str) -> None:
    """It names the file and what is wrong with it, on one line."""
    source, pattern = WRONG[what]
    file = write(folder, source)
    with pytest.raises(CannotLoad, match=pattern) as raised:
        load(file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "make open files" not in str(raised.value) or "travel" in what


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_a_file_that_is_not_there_is_said(folder: Path, name: str) -> None:
    """A folder is no file either."""
    with pytest.raises(CannotLoad, match="there is no file .*; name the file"):
        load(folder / name)


def test_a_file_of_another_kind_is_said(folder: Path) -> None:
    """By its name already."""
    with pytest.raises(CannotLoad, match=r"\.py"):
        load(write(folder, CHAT, "rooms.txt"))


def test_a_file_that_failed_can_be_corrected(folder: Path) -> None:
    """Nothing of the failed attempt is left."""
    with pytest.raises(CannotLoad):
        load(write(folder, "raise ValueError"))
    assert "chat" in load(write(folder, CHAT)).parties


def test_neither_parlour_nor_python_is_part_of_a_project() -> None:
    """Also when the project's folder is one that they are installed in: the home folder, say."""
    for folder in (Path("/"), Path(os.__file__).parent.parent, Path(__file__).parents[2]):
        names = {name.partition(".")[0] for name, _ in modules_in(folder)}
        assert not names & {"parlour", "os", "asyncio", "cloudpickle", "pytest"}
