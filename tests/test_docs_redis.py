"""docs/redis.md: its URLs are understood and its settings are settings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from parlour.storage.embedded_process import find_server
from parlour.storage.redis_connection import RedisConnection
from parlour.storage.redis_url import RedisUrl
from parlour.storage.server_promises import read_promises

from parlour.cli import main

from .support.redis_cluster import free_port
from .support.redis_process import RedisProcess

PAGE = (Path(__file__).parents[1] / "docs" / "redis.md").read_text()


def _blocks(kind: str) -> list[str]:
    found = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"no block of {kind} in docs/redis.md"
    return [str(block) for block in found]


COMMANDS = [line for block in _blocks("sh") for line in block.splitlines()]
URLS = [url for url in re.findall(r"`((?:redis|unix)[a-z+]*://[^`]+)`", PAGE)]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_understood(command: str, tmp_path: Path) -> None:
    """Up to the file that the reader has and this test has not."""
    words = shlex.split(command)
    assert words[:2] == ["parlour", "dev"]
    context = main.commands["dev"].make_context("dev", words[2:])
    url = context.params["redis_url"]
    if "ssl_ca_certs=ca.pem" in url:
        url = url.replace("ca.pem", _authority(tmp_path))
    assert RedisUrl.parse(url).password in (None, "password")


@pytest.mark.parametrize("url", URLS)
def test_each_url_is_understood(url: str) -> None:
    """Those in the table and in the text."""
    RedisUrl.parse(url)


@pytest.mark.parametrize("settings", _blocks("conf"))
async def test_a_server_takes_the_settings_and_says_so(settings: str, tmp_path: Path) -> None:
    """As arguments, which are the lines of its file."""
    arguments = [f"--{line}" for line in settings.splitlines()]
    words = [word for argument in arguments for word in argument.split()]
    with RedisProcess(find_server(), tmp_path, *words) as server:
        connection = RedisConnection(server.url)
        promises = await read_promises(connection)
        await connection.close()
    assert promises.durability == "fsync"
    if "min-replicas-to-write" in settings:
        assert (promises.min_replicas, promises.lag_s_max) == (1, 2)


async def test_a_sentinel_takes_its_settings(tmp_path: Path) -> None:
    """And names the primary of the service that the URLs ask for."""
    config = tmp_path / "sentinel.conf"
    config.write_text(_blocks("conf sentinel")[0])
    port = free_port()
    arguments = ("--port", str(port), "--bind", "127.0.0.1")
    with RedisProcess(find_server(), tmp_path, *arguments, config=config) as sentinel:
        connection = RedisConnection(sentinel.url)
        asked = connection.execute("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "rooms")
        assert await asked == [b"127.0.0.1", b"6379"]
        await connection.close()


def _authority(folder: Path) -> str:
    """The authorities of this Python, as a file of one's own would be."""
    import ssl

    context = ssl.create_default_context()
    path = folder / "ca.pem"
    certificates = context.get_ca_certs(binary_form=True)
    path.write_text("".join(ssl.DER_cert_to_PEM_cert(der) for der in certificates))
    return str(path)
