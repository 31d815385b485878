"""The metrics of a running Parlour: for whoever has the token, and counting what has happened."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support.running import RunningParlour

from .test_operating_live_rooms import command

PATIENCE_S = 40.0


@pytest.fixture
async def token(parlour: RunningParlour) -> str:
    """What `parlour token` shows."""
    done = await command(parlour, "token")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Scraper:
    """Reads metrics until they say what is waited for."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def read(self) -> dict[str, float]:
        """Each sample that is there: its name with its labels -> its value."""
        async with self._http.get(self._url, headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()
            text = await answer.text()
        samples = re.findall(r"^([a-z]\S*?(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in samples}

    async def until(self, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """What is there once something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await self.read()
                if condition(found):
                    return found
                await asyncio.sleep(0.1)


async def test_metrics_count_what_has_happened(
    parlour: RunningParlour, http: aiohttp.ClientSession, admin_port: int, token: str
) -> None:
    """A client, its messages and their answers, the room's wake, its flushes, its hibernation."""
    scraper = Scraper(http, f"http://127.0.0.1:{admin_port}/metrics", token)
    before = await scraper.read()
    room = uuid.uuid4().hex

    def grown(name: str, after: dict[str, float]) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    async with http.ws_connect(f"{parlour.ws_url}/parties/counter/{room}") as socket:
        for count in range(1, 4):
            await socket.send_str("xyz")
            assert await socket.receive_str() == f"{count} {count}"
        assert (await command(parlour, "room", "hibernate", f"counter/{room}")).returncode == 0
        left = 'parlour_hibernations_total{party="counter",reason="hibernate"}'
        after = await scraper.until(
            lambda found: grown(left, found) > 0 and grown("parlour_connects_total", found) > 0
        )
    # At least so many, as clients of other tests may be counted a moment later.
    assert after["parlour_sockets"] >= 1
    assert grown('parlour_events_total{party="counter"}', after) >= 4  # and its connect
    assert grown('parlour_wake_seconds_count{party="counter"}', after) >= 1
    assert grown('parlour_wake_seconds_sum{party="counter"}', after) > 0
    assert grown('parlour_flush_seconds_count{party="counter"}', after) >= 3
    assert grown("parlour_messages_received_total", after) >= 3
    assert grown("parlour_received_bytes_total", after) >= 9
    assert grown("parlour_messages_sent_total", after) >= 3
    assert after["parlour_version"] >= 1
    assert room not in " ".join(after)


async def test_metrics_are_for_who_has_the_token(
    parlour: RunningParlour, http: aiohttp.ClientSession, admin_port: int, token: str
) -> None:
    """Everybody else learns that the node is well, and no more; it listens on loopback alone."""
    url = f"http://127.0.0.1:{admin_port}"
    for given in ("", "Bearer x", f"Bearer {token}x", f"Basic {token}"):
        async with http.get(f"{url}/metrics", headers={"Authorization": given}) as answer:
            assert answer.status == 401
            assert "parlour_" not in await answer.text()
    async with http.get(f"{url}/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")
    table = Path("/proc/net/tcp").read_text().splitlines()  # noqa: ASYNC240  # made in memory
    listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    port = f"{admin_port:04X}"
    assert [each for each in listening if each.endswith(f":{port}")] == [f"0100007F:{port}"]
    status = await command(parlour, "status", "--json")
    assert f'"admin": "{url}"' in status.stdout
