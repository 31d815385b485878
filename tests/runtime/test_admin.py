"""The admin port: who is let in, and what is there."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from parlour.runtime.admin import AdminServer

TOKEN = "0123abc"


@pytest.fixture
async def admin() -> AsyncIterator[AdminServer]:
    """A running one, on a free port."""
    admin = AdminServer("127.0.0.1", 0, TOKEN, lambda: b"some metrics\n")
    await admin.start()
    yield admin
    await admin.stop()


async def get(
    admin: AdminServer, path: str, authorization: str | None = None
) -> tuple[int, str, str]:
    """Status, content type and text of an answer."""
    headers = {} if authorization is None else {"Authorization": authorization}
    url = f"http://127.0.0.1:{admin.port}{path}"
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_metrics_are_for_who_has_the_token(admin: AdminServer) -> None:
    """In the type that Prometheus expects."""
    status, kind, text = await get(admin, "/metrics", f"Bearer {TOKEN}")
    assert (status, text) == (200, "some metrics\n")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert (await get(admin, "/metrics", f"bearer {TOKEN}"))[0] == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer 0123abd", f"Basic {TOKEN}", TOKEN, "Bearer ünïcode"],
)
@pytest.mark.parametrize("path", ["/metrics", "/", "/nothing", "/healthz/../metrics"])
async def test_who_has_no_token_learns_nothing(
    admin: AdminServer, path: str, authorization: str | None
) -> None:
    """Not even which paths there are."""
    status, _, text = await get(admin, path, authorization)
    assert (status, text) == (401, "this needs the token that `parlour token` shows\n")


async def test_health_is_for_everybody(admin: AdminServer) -> None:
    """It says that the node's manager answers, and no more."""
    status, _, text = await get(admin, "/healthz")
    assert (status, text) == (200, "ok\n")


async def test_what_goes_wrong_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the traceback; whoever asked has a status."""

    def fail() -> bytes:
        raise RuntimeError("secret of the metrics")

    admin = AdminServer("127.0.0.1", 0, TOKEN, fail)
    await admin.start()
    try:
        status, _, text = await get(admin, "/metrics", f"Bearer {TOKEN}")
    finally:
        await admin.stop()
    assert status == 500
    assert "secret" not in text
    assert "Traceback" not in text
    assert "secret of the metrics" in caplog.text


async def test_a_port_that_is_taken_is_an_error() -> None:
    """For whoever starts it to say."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        admin = AdminServer("127.0.0.1", taken.getsockname()[1], TOKEN, lambda: b"")
        with pytest.raises(OSError, match="address already in use|Address already in use"):
            await admin.start()
        await admin.stop()
