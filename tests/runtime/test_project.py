"""What is deployed from: a file, or a folder whose parlour.toml says what."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import cloudpickle
import pytest
from parlour.runtime.code import CannotLoad
from parlour.runtime.jobs import (
    entrypoint,
    is_inside_job,
    room_runtime_env,
    runtime_env,
    sent_folder,
    variables_in,
)
from parlour.runtime.project import Project, read
from parlour.runtime.release import Assets, Limits

TOML = """
name = "shop"
[parties]
main = "rooms.chat:Chat"
cart = "rooms.cart:Cart"
[assets]
folder = "site"
single_page = true
[env]
GREETING = "hello"
[crons]
sweep = "0 3 * * *"
[limits]
message_bytes_max = 2000
request_timeout_s = 7.5
[runtime_env]
pip = ["shapely>=2"]
env = { REGION = "eu" }
working_dir = true
"""
FILES = {
    "rooms/__init__.py": "",
    "rooms/base.py": """
        from parlour import Room
        import words

        class Base(Room):
            def greeting(self):
                return words.HELLO + " from " + type(self).__name__
    """,
    "rooms/chat.py": """
        from .base import Base

        class Chat(Base):
            hibernate_after = 3

            @staticmethod
            def on_cron(cron, lobby):
                pass
    """,
    "rooms/cart.py": "from .base import Base\nfrom . import base\nclass Cart(base.Base): pass",
    "words.py": "HELLO = 'hello'",
    "site/index.html": "<p>the shop",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two parties in a package; what loading it leaves here is taken away."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    for name, source in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(source))
    write(tmp_path, TOML)
    return tmp_path


def write(folder: Path, toml: str) -> Path:
    """The folder's parlour.toml."""
    (folder / "parlour.toml").write_text(toml)
    return folder


def test_a_folder_says_what_it_is(folder: Path) -> None:
    """Also when its file is named instead."""
    expected = Project(
        folder.resolve(),
        None,
        "shop",
        {"main": "rooms.chat:Chat", "cart": "rooms.cart:Cart"},
        ["shapely>=2"],
        {"REGION": "eu"},
        True,
        Assets(str(folder.resolve() / "site"), single_page=True),
        {"GREETING": "hello"},
        {"sweep": "0 3 * * *"},
        Limits(2000, 7.5),
    )
    assert read(folder) == expected
    assert read(folder / "parlour.toml") == expected


def test_a_file_is_a_project_of_itself(folder: Path) -> None:
    """Named after it, with nothing else."""
    assert read(folder / "words.py") == Project(
        folder.resolve(), (folder / "words.py").resolve(), "words"
    )


def test_only_the_parties_are_needed(folder: Path) -> None:
    """The name is the folder's."""
    found = read(write(folder, '[parties]\nchat = "rooms.chat:Chat"'))
    assert (found.name, found.pip, found.env, found.working_dir) == (folder.name, [], {}, False)


def test_the_classes_travel_by_value(folder: Path) -> None:
    """A clean process elsewhere has them, their bases and the modules that they use."""
    code = read(folder).load()
    assert set(code.parties) == {"main", "cart"}
    assert code.parties["main"].hibernate_after_s == 3.0
    for each in folder.rglob("*.py"):
        each.unlink()
    run = (
        "import sys, cloudpickle; classes = cloudpickle.load(sys.stdin.buffer); "
        "print(classes['main'].greeting(classes['main'].__new__(classes['main'])), "
        "classes['main'].__base__ is classes['cart'].__base__)"
    )
    told = subprocess.run(
        [sys.executable, "-c", run], input=code.data, capture_output=True, cwd="/", check=True
    )
    assert told.stdout == b"hello from Chat True\n"


def test_a_project_is_loaded_as_it_is_now(folder: Path) -> None:
    """Whatever was imported from it before, and nothing appears in it."""
    found = read(folder)
    found.load()
    (folder / "words.py").write_text("HELLO = 'goodbye'")
    chat = cloudpickle.loads(found.load().data)["main"]
    assert chat.greeting(chat.__new__(chat)) == "goodbye from Chat"
    assert not list(folder.rglob("__pycache__"))


WRONG = {
    "no TOML": ("name = ", "cannot be read"),
    "no party": ('name = "x"', "names no party; add"),
    "an empty table": ("[parties]", "names no party; add"),
    "an unknown key": (
        'nmae = "x"\n' + TOML,
        "has nmae, which is not understood; allowed are assets, .*name, parties, runtime_env",
    ),
    "an unknown key of the environment": (
        TOML + "conda = 1",
        "has runtime_env.conda, .*; allowed are runtime_env.env, .*pip, .*working_dir",
    ),
    "a name that is none": ("name = 3", "name is 3; it must be text"),
    "parties that are no table": ('parties = ["x"]', r"parties is \['x'\]; it must be a table"),
    "a party without a class": (
        '[parties]\nchat = "rooms.chat"',
        "party 'chat' is 'rooms.chat'; it must name its class, as in",
    ),
    "a party without a module": ('[parties]\nchat = ":Chat"', "party 'chat' is ':Chat'"),
    "a party that is a number": ("[parties]\nchat = 1", "party 'chat' is 1; it must name"),
    "an environment that is none": ("runtime_env = 3", "runtime_env is 3; it must be a table"),
    "packages that are no list": (
        '[parties]\na = "b:C"\n[runtime_env]\npip = "x"',
        "runtime_env.pip is 'x'; it must be a list",
    ),
    "a package that is none": (
        '[parties]\na = "b:C"\n[runtime_env]\npip = ["x", 3]',
        r"runtime_env.pip\[1\] is 3; it must be text",
    ),
    "a variable that is no text": (
        '[parties]\na = "b:C"\n[runtime_env]\nenv = { A = true }',
        "runtime_env.env.A is True; it must be text",
    ),
    "assets that are not there": (
        '[parties]\na = "b:C"\n[assets]\nfolder = "missing"',
        "assets.folder is 'missing'; it must be a folder inside",
    ),
    "assets that are elsewhere": (
        '[parties]\na = "b:C"\n[assets]\nfolder = ".."',
        r"assets.folder is '\.\.'; it must be a folder inside",
    ),
    "a cron that is none": (
        '[parties]\na = "b:C"\n[crons]\nsweep = "often"',
        "crons.sweep: 'often' is no cron expression",
    ),
    "a project variable that is no text": (
        '[parties]\na = "b:C"\n[env]\nA = 1',
        "env.A is 1; it must be text",
    ),
    "a limit that is none": (
        '[parties]\na = "b:C"\n[limits]\nrequest_timeout_s = 0',
        "limits.request_timeout_s is 0; it must be a number above 0, at most 3600",
    ),
    "a message that no frame carries": (
        '[parties]\na = "b:C"\n[limits]\nmessage_bytes_max = 99000000',
        "limits.message_bytes_max is 99000000; it must be a number above 0, at most 67108864",
    ),
    "an unknown limit": (
        '[parties]\na = "b:C"\n[limits]\nmessages = 1',
        "has limits.messages, .*; allowed are limits.message_bytes_max, limits.request_timeout_s",
    ),
    "a folder that is no truth": (
        '[parties]\na = "b:C"\n[runtime_env]\nworking_dir = 1',
        "runtime_env.working_dir is 1; it must be true or false",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_it_is_said(folder: Path, what: str) -> None:
    """The file, what was given, and what is allowed."""
    toml, pattern = WRONG[what]
    with pytest.raises(CannotLoad, match=pattern) as raised:
        read(write(folder, toml))
    assert str(folder / "parlour.toml") in str(raised.value)


@pytest.mark.parametrize("name", ["missing.py", "missing", "rooms"])
def test_what_is_not_there_is_said(folder: Path, name: str) -> None:
    """A folder without the file, too; with what can be named."""
    with pytest.raises(CannotLoad, match="name a file with room classes, or a folder") as raised:
        read(folder / name)
    assert str(folder / name / "parlour.toml") in str(raised.value)


def test_bytes_that_are_no_text_are_said(folder: Path) -> None:
    """By the file."""
    (folder / "parlour.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(CannotLoad, match=r"parlour\.toml cannot be read"):
        read(folder)


UNLOADABLE = {
    "no such class": ("rooms.chat:Nobody", "rooms.chat has no 'Nobody'; name a class"),
    "no such module": ("rooms.nobody:X", "ModuleNotFoundError: .*rooms.nobody"),
    "no room class": ("rooms.chat:__name__", "it must be a class, as in"),
    "a relative module": (".chat:Chat", "cannot be imported: TypeError"),
}


@pytest.mark.parametrize("what", UNLOADABLE)
def test_classes_that_cannot_be_loaded_are_said(folder: Path, what: str) -> None:
    """In one sentence, which names the folder."""
    where, pattern = UNLOADABLE[what]
    found = read(write(folder, f'[parties]\nchat = "{where}"'))
    with pytest.raises(CannotLoad, match=pattern) as raised:
        found.load()
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_party_that_no_url_can_carry_is_said(folder: Path) -> None:
    """Names of a project are its own, not those of its classes."""
    found = read(write(folder, '[parties]\n"Big Shop" = "rooms.chat:Chat"'))
    with pytest.raises(CannotLoad, match="party 'Big Shop' cannot stand in a URL"):
        found.load()


def test_crons_need_a_hook(folder: Path) -> None:
    """Or nothing would ever happen."""
    found = read(write(folder, '[parties]\nmain = "rooms.cart:Cart"\n[crons]\na = "* * * * *"'))
    with pytest.raises(CannotLoad, match="has no on_cron; add one"):
        found.load()


# What is deployed


def test_a_release_has_all_of_it(folder: Path) -> None:
    """The classes and what the project says beside them; its secrets are in no text of it."""
    project = read(folder)
    release = project.release({"KEY": "the secret"}, {"pip": ["x"]})
    assert set(release.code.parties) == {"main", "cart"}
    assert (release.name, release.runtime_env) == ("shop", {"pip": ["x"]})
    assert (release.env, release.crons) == ({"KEY": "the secret"}, {"sweep": "0 3 * * *"})
    assert (release.assets, release.limits) == (project.assets, Limits(2000, 7.5))
    assert "the secret" not in repr(release)
    assert "hello" not in repr(project)


def test_a_folder_named_public_is_served_unless_another_is_named(folder: Path) -> None:
    """Of a project, and beside a file."""
    (folder / "public").mkdir()
    public = Assets(str(folder.resolve() / "public"))
    assert read(folder / "words.py").assets == public
    assert read(write(folder, '[parties]\nchat = "rooms.chat:Chat"')).assets == public


# The job that deploys it


def test_a_job_is_sent_the_projects_variables(folder: Path) -> None:
    """In a copy of the folder: what a job is told otherwise, anybody who lists jobs can read."""
    project = read(folder)
    (folder / ".env").write_text("KEY=secret")
    with sent_folder(project, {"KEY": "secret"}) as copy:
        assert copy != project.folder
        assert variables_in(read(copy)) == {"KEY": "secret"}
        assert (copy / "rooms" / "chat.py").is_file()
        assert not (copy / ".env").exists()
        told = f"{runtime_env(project, copy)} {entrypoint(project, None)}"
        assert "secret" not in told
    assert not copy.exists()
    with sent_folder(project, {}) as same:
        assert same == project.folder
    assert variables_in(project) == {}


def test_a_job_deploys_what_was_named(folder: Path) -> None:
    """By the same command, from a copy of the folder, which brings what the classes need."""
    project, file = read(folder), read(folder / "words.py")
    assert entrypoint(project, None) == "python -m parlour deploy parlour.toml"
    assert entrypoint(file, 2.5) == "python -m parlour deploy words.py --within 2.5"
    environment = runtime_env(project, project.folder)
    assert environment["working_dir"] == str(folder.resolve())
    assert {".git", ".venv", ".parlour"} <= set(environment["excludes"])
    assert environment["pip"] == ["shapely>=2"]
    assert environment["env_vars"] == {"REGION": "eu"}
    assert runtime_env(file, file.folder).keys() == {"working_dir", "excludes"}


def test_the_name_of_a_file_is_no_command(folder: Path) -> None:
    """It is one word, whatever it holds."""
    file = folder / "my rooms; true.py"
    file.touch()
    assert entrypoint(read(file), None) == "python -m parlour deploy 'my rooms; true.py'"


def test_room_actors_get_the_folder_only_where_it_was_asked_for(folder: Path) -> None:
    """Then where Ray keeps it for the job: a folder of this machine is not on the others."""
    project, file = read(folder), read(folder / "words.py")
    of_job = {"working_dir": "gcs://_ray_pkg_1.zip", "env_vars": {"JOB": "1"}}
    assert room_runtime_env(project, of_job) == {
        "pip": ["shapely>=2"],
        "env_vars": {"REGION": "eu"},
        "working_dir": "gcs://_ray_pkg_1.zip",
    }
    assert room_runtime_env(project, {})["working_dir"] == str(folder.resolve())
    assert room_runtime_env(file, of_job) == {}


def test_a_job_knows_that_it_is_one() -> None:
    """By what Ray sets for its entrypoint."""
    assert is_inside_job({"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"})
    assert not is_inside_job({"RAY_ADDRESS": "auto"})
