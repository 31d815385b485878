"""What operators do beside a running Parlour: `parlour rooms` and `parlour storage`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import redis
from parlour.storage.embedded import EmbeddedServer

from tests.support.running import RunningParlour

from .test_hibernate_and_wake import hibernated


async def command(
    server: EmbeddedServer, *arguments: str, input: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `parlour` with these arguments to its end, on the server of the running one."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "parlour", *arguments, "--redis", server.url],
        input=input,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def is_live(result: subprocess.CompletedProcess[str]) -> Any:
    """What `parlour room show --json` says."""
    return json.loads(result.stdout)["live"]


async def test_a_room_is_carried_over_to_another_that_wakes_with_it(
    parlour: RunningParlour,
    http: aiohttp.ClientSession,
    server: redis.Redis,
    valkey_of_parlour: EmbeddedServer,
    tmp_path: Path,
) -> None:
    """Exported while it is live and when it hibernates; only then it can be written to."""
    room = uuid.uuid4().hex
    name, copy = f"keeper/{room}", f"keeper/{room}-copy"
    file = str(tmp_path / "room.jsonl")

    async with http.ws_connect(f"{parlour.ws_url}/parties/{name}"):
        assert is_live(await command(valkey_of_parlour, "room", "show", name, "--json"))
        exported = await command(valkey_of_parlour, "storage", "export", name)
        assert exported.returncode == 0
        assert f"{name} is live" in exported.stderr
        assert '"key": "starts", "value": 1' in exported.stdout
        refused = await command(valkey_of_parlour, "storage", "put", name, "starts", "7")
        assert refused.returncode == 1
        assert "hibernate the room first" in refused.stderr

    await hibernated(server, "keeper", room)
    assert not is_live(await command(valkey_of_parlour, "room", "show", name, "--json"))
    written = await command(valkey_of_parlour, "storage", "put", name, "starts", "7")
    assert (written.returncode, written.stderr) == (0, "")
    exported = await command(valkey_of_parlour, "storage", "export", name, "-o", file)
    assert (exported.returncode, exported.stderr) == (0, "")
    imported = await command(valkey_of_parlour, "storage", "import", copy, file)
    assert imported.returncode == 0

    async with http.get(f"{parlour.url}/parties/{copy}") as response:
        assert await response.json() == {"starts": 8, "stops": ["hibernate"]}
    async with http.get(f"{parlour.url}/parties/{name}") as response:
        assert await response.json() == {"starts": 8, "stops": ["hibernate"]}
