"""`parlour dev` from start to Ctrl-C, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.processes import Process, descendants
from tests.support.running import RunningParlour, processes_of_session

CHAT = Path(__file__).parents[2] / "examples" / "chat"


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """A copy of the chat example."""
    shutil.copytree(CHAT, tmp_path / "chat", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "chat" / "chat.py"


@pytest.mark.parity("local dev")
async def test_history_survives_a_restart_and_nothing_is_left_behind(
    chat: Path, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """The private Valkey keeps what was said; Ctrl-C takes under 10 s and leaves no process."""
    for start in ("first", "second"):
        parlour = RunningParlour(chat, tmp_path / "data")
        await asyncio.to_thread(parlour.start)
        async with http.ws_connect(f"{parlour.ws_url}/parties/main/lobby") as client:
            history = json.loads(await client.receive_str())
            expected = [] if start == "first" else ["remember me"]
            assert [message["text"] for message in history["messages"]] == expected
            found = await asyncio.to_thread(lobby_of, tmp_path / "data")
            assert found["live"]
            if start == "first":
                await client.send_str("remember me")
                while json.loads(await client.receive_str())["type"] != "message":
                    pass
            stopping_s = time.monotonic()
            assert await asyncio.to_thread(parlour.stop) == 0
            assert time.monotonic() - stopping_s < 10
            while (told := await client.receive()).type == aiohttp.WSMsgType.TEXT:
                pass
            assert (told.type, told.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert processes_of_session(parlour.session) == []
        found = await asyncio.to_thread(lobby_of, tmp_path / "data")
        assert not found["live"]


def lobby_of(data_folder: Path) -> Any:
    """What `parlour room show` says of the lobby of a data folder, whether it is in use or not."""
    result = subprocess.run(
        [sys.executable, "-m", "parlour", "room", "show", "main/lobby", "--json"]
        + ["--data", str(data_folder)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PARLOUR_REDIS"},
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parity("deploy", "local dev")
async def test_a_changed_file_is_reloaded_and_sockets_stay(
    chat: Path, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Also when a version in between does not load: the running rooms stay as they are."""
    parlour = RunningParlour(chat, tmp_path / "data")
    await asyncio.to_thread(parlour.start)
    try:
        async with http.ws_connect(f"{parlour.ws_url}/party/lobby") as client:
            await client.receive_str()
            source = await asyncio.to_thread(chat.read_text)

            await asyncio.to_thread(chat.write_text, "this is not Python")
            await asyncio.to_thread(parlour.wait_for_line, "stay as they are")
            await client.send_str("still there?")
            while json.loads(await client.receive_str())["type"] != "message":
                pass

            changed = source.replace('"room": self.id', '"reloaded": True')
            await asyncio.to_thread(chat.write_text, changed)
            await asyncio.to_thread(parlour.wait_for_line, "Reloaded")
            async with http.get(f"{parlour.url}/party/lobby") as response:
                assert (await response.json())["reloaded"] is True
            await client.send_str("same socket")
            while "same socket" not in await client.receive_str():
                pass
    finally:
        await asyncio.to_thread(parlour.stop)


@pytest.mark.timeout(120)
async def test_a_private_valkey_that_is_killed_is_started_again_and_rooms_go_on(
    chat: Path, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """It is said, sockets stay, and what is said meanwhile and afterwards is answered.

    Where it cannot be started any more that is one sentence and exit status 1.
    """
    parlour = RunningParlour(chat, tmp_path / "data")
    await asyncio.to_thread(parlour.start)
    try:
        async with http.ws_connect(f"{parlour.ws_url}/party/lobby") as client:
            await client.receive_str()
            for text in ("first", "second"):
                await client.send_str(text)
                while text not in await client.receive_str():
                    pass
                (valkey,) = valkeys(parlour)
                assert valkey.send(signal.SIGKILL)
                await client.send_str(f"{text} while it is away")
                while "while it is away" not in await client.receive_str():
                    pass
        said = "".join(parlour.output)
        assert said.count("the private Valkey has ended and is started again") == 2
        assert said.count("the private Valkey answers again") == 2
        # One that cannot be started any more, whatever is tried, ends it all.
        log = tmp_path / "data" / "storage" / "appendonlydir"
        log.rename(log.parent / "aside")
        log.write_text("no folder")
        (valkey,) = valkeys(parlour)
        assert valkey.send(signal.SIGKILL)
        assert await asyncio.to_thread(parlour.wait_for_end) == 1
        sentence = parlour.wait_for_line("Error: the private Valkey did not start")
        assert "5 times in a row" in sentence
        assert str(tmp_path / "data" / "storage" / "valkey.log") in sentence
        assert len(parlour.output) < 100
        assert processes_of_session(parlour.session) == []
    finally:
        await asyncio.to_thread(parlour.stop)


def valkeys(parlour: RunningParlour) -> list[Process]:
    """The private server of a running Parlour."""
    return [each for each in descendants(parlour.session) if "valkey-server" in each.name]


def dev(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `parlour dev` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "parlour", "dev", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_file_that_does_not_load_is_one_sentence(tmp_path: Path) -> None:
    """What is wrong, where, and what to do; exit status 1."""
    file = tmp_path / "broken.py"
    file.write_text("x = 1\nraise KeyError('oops')\n")
    result = dev(str(file))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "KeyError: 'oops' (line 2)" in result.stderr


def test_a_file_without_a_room_class_is_one_sentence(tmp_path: Path) -> None:
    """It says what a room class looks like."""
    file = tmp_path / "empty.py"
    file.write_text("")
    result = dev(str(file))
    assert result.returncode == 1
    assert "class Chat(parlour.Room)" in result.stderr


def test_a_taken_port_is_one_sentence(chat: Path, tmp_path: Path) -> None:
    """Found out before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = dev(str(chat), "--port", str(port), "--data", str(tmp_path / "data"))
    assert result.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in result.stderr
    assert "--port" in result.stderr


def test_an_unreachable_redis_is_one_sentence(chat: Path) -> None:
    """With the address, without the password."""
    result = dev(str(chat), "--redis", "redis://:hunter2@127.0.0.1:1/0")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "127.0.0.1:1" in result.stderr
    assert "hunter2" not in result.stdout + result.stderr
