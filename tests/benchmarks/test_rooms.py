"""The rooms that Parlour runs in the benchmarks do the work that the load generator checks."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.testing import Rooms

from benchmarks import rooms as rooms_of_benchmarks

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Where the rooms are, with storage in memory."""
    async with Rooms() as rooms:
        rooms.deploy(rooms_of_benchmarks)
        yield f"ws://127.0.0.1:{rooms.url.port}/parties/{{party}}/{{room}}"


@pytest.mark.parametrize(
    ("work", "party"),
    [
        ("echo", "echo"),
        ("http", "request"),
        ("echo", "relay"),
        ("echo", "relayinterleaved"),
        ("fanout", "fanout"),
        ("echo", "put"),
        ("echo", "get"),
        ("echo", "getmany"),
    ],
)
async def test_each_room_answers_with_the_message(url: str, work: str, party: str) -> None:
    """To its sender or to everybody; a wrong answer or none would end the load with an error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load", work, "--url", url.replace("{party}", party)),
        *("--sockets", "3", "--seconds", "0.1", "--warmup", "0"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()

    assert (process.returncode, errors) == (0, b"")
    assert json.loads(out)["answers"] > 0
