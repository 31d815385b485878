"""A project, from `parlour init` to its changes while `parlour dev` runs it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.running import RunningParlour

SWEEPER = """
from rooms import Counter as Base


class Counter(Base):
    swept = []

    @staticmethod
    def on_fetch(request, lobby):
        return {"swept": Counter.swept, **lobby.env} if request.path == "/swept" else None

    @staticmethod
    def on_cron(cron, lobby):
        Counter.swept.append(cron.name)
"""


@pytest.mark.parity("local dev")
@pytest.mark.parity("local dev", "room.env")
async def test_a_project_runs_and_is_reloaded(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Its page, rooms, variables; each request is shown; what changes in it is there at once."""
    folder = tmp_path / "shop"
    await asyncio.to_thread(init, folder)
    options = ("--log-requests", "--var", "GREETING=Hi")
    parlour = RunningParlour(folder, tmp_path / "data", *options)
    await asyncio.to_thread(parlour.start)
    try:
        async with http.get(f"{parlour.url}/?room=secret") as page:
            assert "<title>shop</title>" in await page.text()
        async with http.ws_connect(f"{parlour.ws_url}/party/lobby?_pk=ada") as socket:
            assert await socket.receive_str() == "0"
            await socket.send_str("click")
            assert await socket.receive_str() == "1"
            async with http.get(f"{parlour.url}/party/lobby") as answer:
                told = await answer.json()
                assert told == {"greeting": "Hi", "room": "lobby", "count": 1}
            for line in (
                "http GET / 200",
                "main/lobby connect ada",
                "main/lobby message ada 5 B",
                "http GET /party/lobby 200",
            ):
                await asyncio.to_thread(parlour.wait_for_line, line)
            assert "secret" not in "".join(parlour.output)

            await asyncio.to_thread(change, folder)
            await asyncio.to_thread(parlour.wait_for_line, "Reloaded")
            async with http.get(f"{parlour.url}/__scheduled__?cron=sweep") as answer:
                assert (answer.status, await answer.text()) == (200, "ran cron sweep: 0 3 * * *\n")
            told = await swept(http, parlour.url)
            assert "sweep" in told["swept"]
            assert (told["GREETING"], told["KEY"]) == ("Hi", "from a file")
            await socket.send_str("click")
            assert await socket.receive_str() == "2"
    finally:
        assert await asyncio.to_thread(parlour.stop) == 0


async def swept(http: aiohttp.ClientSession, url: str) -> Any:
    """What the project says, once the cron of every second has run by itself."""
    async with asyncio.timeout(20):
        while True:
            async with http.get(f"{url}/swept") as answer:
                told = await answer.json()
                if "each second" in told["swept"]:
                    return told


def init(folder: Path) -> None:
    """Run the command."""
    subprocess.run(
        [sys.executable, "-m", "parlour", "init", str(folder)],
        check=True,
        capture_output=True,
        timeout=60,
    )


def change(folder: Path) -> None:
    """Give the project a variable, edge hooks and a cron, with the last write."""
    (folder / "sweeper.py").write_text(SWEEPER)
    toml = (folder / "parlour.toml").read_text().replace("rooms:Counter", "sweeper:Counter")
    (folder / ".env").write_text("KEY='from a file'\n")
    (folder / "parlour.toml").write_text(
        toml + '\n[crons]\nsweep = "0 3 * * *"\n"each second" = "* * * * * *"\n'
    )
