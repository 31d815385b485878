"""The command line: what it says when something is wrong, without starting anything."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from parlour.cli import main


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """`parlour dev` handles Ctrl-C; afterwards it is pytest's again."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def parlour(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_one_sentence(result: Result, *parts: str) -> None:
    """The command has failed with one line that says these things."""
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr


def test_help_tells_the_commands() -> None:
    """And each command its options."""
    result = parlour("--help")
    assert result.exit_code == 0
    for command in ("dev", "rooms", "room", "storage", "start", "token", "tail"):
        assert f"\n  {command} " in result.output
    result = parlour("dev", "--help")
    assert result.exit_code == 0
    for option in ("--host", "--port", "--redis", "--data"):
        assert option in result.output


@pytest.mark.parametrize(
    "arguments", [["--help"], ["rooms", "--help"], ["room", "move", "--help"], ["tail", "--help"]]
)
def test_help_is_there_at_once(arguments: list[str]) -> None:
    """It imports neither Ray nor anything else that runs rooms."""
    code = (
        "import sys; from parlour.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "print(sorted({'ray', 'aiohttp', 'parlour.runtime'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_version_is_told() -> None:
    """The one that is installed."""
    assert version("parlour") in parlour("--version").output


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nothing",),
        ("dev", "--var", "NAME", "x.py"),
        ("dev", "--port", "0", "x.py"),
        ("dev", "--port", "70000", "x.py"),
    ],
)
def test_a_command_that_is_not_understood_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    """Status 2, and how it is used."""
    result = parlour(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.output


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """Naming the file."""
    assert_one_sentence(parlour("dev", tmp_path / "no.py"), "there is no file", "no.py")


def test_a_file_that_cannot_be_loaded_is_one_sentence(tmp_path: Path) -> None:
    """Naming what is wrong with it."""
    file = tmp_path / "rooms.py"
    file.write_text("x = 1 / 0")
    assert_one_sentence(parlour("dev", file), "ZeroDivisionError", "line 1")


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    """Before anything is started, and with what to do about it."""
    file = tmp_path / "rooms.py"
    file.write_text("from parlour import Room\nclass Chat(Room): pass")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = parlour("dev", file, "--port", port, "--data", tmp_path / "data")
    assert result.exit_code == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in result.stderr
    assert "--port" in result.stderr
    assert not (tmp_path / "data").exists()
