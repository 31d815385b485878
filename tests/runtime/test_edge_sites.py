"""Sites made with web frameworks travel to a cluster as the classes do: by value."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SEND = """
import sys
from pathlib import Path
from parlour.runtime.code import load

sys.stdout.buffer.write(load(Path(sys.argv[1])).data)
"""
ASK = """
import asyncio, sys, cloudpickle
app = cloudpickle.load(sys.stdin.buffer)["main"].on_fetch.app()

async def receive():
    return {"type": "http.request", "body": b'{"name": "Ada"}', "more_body": False}

async def send(message):
    print(message.get("status") or bytes(message["body"]))

scope = {
    "type": "http", "method": sys.argv[1], "path": sys.argv[2], "raw_path": sys.argv[2].encode(),
    "query_string": b"", "root_path": "", "headers": [(b"content-type", b"application/json")],
    "http_version": "1.1", "scheme": "http", "server": ("h", 80), "client": ("c", 1),
    "asgi": {"version": "3.0"}, "state": {"since": "today", "env": {"KEY": "key"}},
}
asyncio.run(app(scope, receive, send))
"""


@pytest.mark.parametrize(
    ("site", "method", "path", "says"),
    [
        ("fastapi_site", "POST", "/api/login", b"Ada:"),
        ("starlette_site", "GET", "/tea", b"up since today"),
    ],
)
def test_a_site_is_sent_with_its_class(site: str, method: str, path: str, says: bytes) -> None:
    """Its models and routes too; another process answers with it and has not its file."""
    file = EXAMPLES / site / f"{site}.py"
    sent = subprocess.run([sys.executable, "-c", SEND, file], capture_output=True, check=True)
    told = subprocess.run(
        [sys.executable, "-c", ASK, method, path],
        input=sent.stdout,
        capture_output=True,
        cwd="/",
        check=False,
    )
    assert told.stdout.startswith(b"200\n"), told.stderr
    assert says in told.stdout
