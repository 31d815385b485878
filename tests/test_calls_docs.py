"""docs/calls.md: its rooms run, and its programs do what the page says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors import calls
from parlour.runtime.call_endpoint import PATH
from parlour.runtime.outside import TOKEN_VARIABLE, URL_VARIABLE

from parlour.client import BUFFER_BYTES_MAX, RECONNECT_CODES, RoomSocket

from .runtime.calling import TOKEN, Stage, staged

PAGE = (Path(__file__).parents[1] / "docs" / "calls.md").read_text()
ROOMS, PROGRAM, TASK, CLIENT = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def names_of(snippet: str) -> dict[str, Any]:
    """What a snippet defines."""
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(snippet, names)
    return names


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """The rooms of the page."""
    names = names_of(ROOMS)
    parties = {"score": names["Score"], "game": names["Game"]}
    async with staged(tmp_path, monkeypatch, **parties) as stage:
        yield stage


async def run(stage: Stage, program: str) -> None:
    """Run a program of the page, which would start a loop of its own."""
    program = program.replace("http://127.0.0.1:1999", stage.url).replace('"..."', f"{TOKEN!r}")
    begin, end = program.split("asyncio.run(main())")
    async with asyncio.timeout(20):
        await names_of(begin + end)["main"]()


async def test_the_rooms_call_each_other(stage: Stage) -> None:
    """As their clients and callers are told."""
    async with RoomSocket(stage.url, "final", party="game") as client, stage.outside() as rooms:
        client.send("reds")
        assert await client.receive() == "reds has 1"
        with pytest.raises(ValueError, match="never taken away"):
            await rooms.parties.score.get("reds").add(-1)
        table = await rooms.parties.game.get("final").table("reds", "blues")
        assert table["reds"] == '{"team":"reds","total":1}'


async def test_the_program_calls_rooms(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what they answer."""
    await run(stage, PROGRAM)
    assert capsys.readouterr().out == "2\n200\n3 seen\n"


async def test_the_task_calls_rooms(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variables that stand for what it would find through Ray."""
    monkeypatch.setenv(URL_VARIABLE, stage.url)
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert await asyncio.to_thread(names_of(TASK)["total_of"], "reds", "blues") == 0


async def test_the_client_talks_with_rooms(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over a socket and by request."""
    await run(stage, CLIENT)
    shown = capsys.readouterr().out
    assert shown == 'reds has 1\n200 b\'{"team":"reds","total":1}\'\n'


def test_the_figures_are_those_of_the_code() -> None:
    """The limits that the page names."""
    assert f"in {calls.CALL_TIMEOUT_S:.0f} s (`CALL_TIMEOUT_S`" in PAGE
    assert f"up to {calls.CALL_BYTES_MAX >> 20} MiB" in PAGE
    assert f"`BUFFER_BYTES_MAX` ({BUFFER_BYTES_MAX >> 20} MiB;" in PAGE
    assert f"`{PATH}`" in PAGE
    named = re.search(r"After ([\d,\s]+) and (\d+) it connects again", PAGE)
    assert named is not None
    codes = {int(code) for code in re.findall(r"\d+", " ".join(named.groups()))}
    assert codes == RECONNECT_CODES
