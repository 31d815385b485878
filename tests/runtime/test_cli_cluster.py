"""The commands for a cluster: what they say when something is wrong, without any cluster."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .test_cli import assert_one_sentence, parlour

COMMANDS = ("start", "stop", "status", "deploy", "deployments", "rollback", "drain")


def test_help_tells_each_command() -> None:
    """In one line, and its options with the command."""
    text = parlour("--help").output
    for command in COMMANDS:
        assert f"\n  {command} " in text
        assert parlour(command, "--help").exit_code == 0
    for option in ("--redis", "--address", "--resource", "--standbys", "--max-live-rooms"):
        assert option in parlour("start", "--help").output


def test_help_waits_for_no_library() -> None:
    """Ray and redis-py take most of a second to import each; `--help` needs neither."""
    program = (
        "import sys; sys.argv = ['parlour', '--help']\n"
        "from parlour.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(', '.join(sorted({'ray', 'redis', 'aiohttp', 'numpy'} & sys.modules.keys())))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd="/")
    assert "Usage: " in done.stdout
    assert done.stderr == "\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("start",),
        ("start", "--redis", "redis://h", "--port", "0"),
        ("start", "--redis", "redis://h", "--standbys", "-1"),
        ("start", "--redis", "redis://h", "--max-live-rooms", "0"),
        ("stop", "now"),
        ("deploy",),
        ("deploy", "x.py", "--within", "-1"),
        ("deploy", "x.py", "--within", "soon"),
        ("rollback", "0"),
        ("rollback", "latest"),
        ("drain",),
        ("drain", "n1", "--within", "-1"),
    ],
)
def test_what_is_not_understood_is_a_usage_error(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 2, and how it is used; nothing is looked for."""
    monkeypatch.delenv("PARLOUR_REDIS", raising=False)
    result = parlour(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.output


def test_a_server_that_is_none_is_one_sentence() -> None:
    """Before any cluster is looked for; the password stays out of it."""
    result = parlour("start", "--redis", "http://ada:hush@h")
    assert result.exit_code == 1
    assert "Error: " in result.stderr
    assert "hush" not in result.output + result.stderr


def test_nothing_to_deploy_is_one_sentence(tmp_path: Path) -> None:
    """Before any job server is looked for."""
    assert_one_sentence(parlour("deploy", tmp_path / "no.py"), "there is no", "no.py")
    (tmp_path / "parlour.toml").write_text("parties = 3")
    assert_one_sentence(parlour("deploy", tmp_path), "parties is 3", "parlour.toml")


def test_no_job_server_is_one_sentence(tmp_path: Path) -> None:
    """With its address, and what to do."""
    file = tmp_path / "rooms.py"
    file.write_text("from parlour import Room\nclass Chat(Room): pass")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    assert_one_sentence(parlour("deploy", file, "--address", address), address, "--address")
