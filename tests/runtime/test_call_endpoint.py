"""Calls over the gateway's port: who is let in, and what is no call."""

from __future__ import annotations

import io
import pickle
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from parlour.actors import messages
from parlour.actors.call_errors import CallError
from parlour.actors.calls import CALL_BYTES_MAX, pack_arguments, read_result
from parlour.actors.frames import pack_parts
from parlour.actors.messages import CallHead, RoomKey
from parlour.actors.room import Room
from parlour.runtime.call_endpoint import HEADS_BYTES_MAX, PATH
from parlour.runtime.outside import TOKEN_VARIABLE, URL_VARIABLE, connect

from .calling import TOKEN, Stage, staged

KEY = RoomKey("sum", "a")


class Sum(Room):
    """Adds."""

    def add(self, *numbers: int) -> int:
        return sum(numbers)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with staged(tmp_path, monkeypatch, sum=Sum) as stage:
        yield stage


@pytest.fixture
async def http(stage: Stage) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that knows the token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(stage.url, headers=headers) as session:
        yield session


def call(arguments: bytes, key: RoomKey = KEY, head: bytes | None = None) -> bytes:
    """A body."""
    head = messages.encode(CallHead("add")) if head is None else head
    return pack_parts(messages.encode(key), pack_parts(head, arguments))


async def test_a_call_is_one_request(http: aiohttp.ClientSession) -> None:
    """Its answer is what the room has returned."""
    async with http.post(PATH, data=call(pack_arguments((1, 2, 3), {}))) as response:
        assert response.status == 200
        assert read_result(await response.read()) == 6


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \udcff"],
)
async def test_without_the_token_nothing_is_called(stage: Stage, given: str) -> None:
    """401, whatever the rest of the request is; no room is woken."""
    headers = {"Authorization": given} if given else {}
    async with aiohttp.ClientSession(stage.url) as session:
        for method, body in (("POST", call(b"\x00")), ("GET", None), ("POST", b"no call")):
            async with session.request(method, PATH, data=body, headers=headers) as response:
                assert response.status == 401
                assert "parlour token" in await response.text()
    assert stage.room("a") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff" * 100,
        pack_parts(b"\xc1", b""),
        call(b"", RoomKey("sum", "")),
        call(b"", RoomKey("sum", "x" * 1025)),
        call(b"", RoomKey("no/party", "x")),
        call(b"", head=b"\x80\x80"),
        call(b"", head=msgpack) if (msgpack := messages.encode(RoomKey("a", "b"))) else b"",
        pickle.dumps(print),
    ],
    ids=repr,
)
async def test_what_is_no_call_is_refused(http: aiohttp.ClientSession, body: bytes) -> None:
    """400, before any room hears of it; the gateway goes on."""
    async with http.post(PATH, data=body[:4000]) as response:
        assert response.status == 400
        assert "this is no call" in await response.text()
    async with http.get(PATH) as response:
        assert response.status == 405
    async with http.post(PATH, data=call(pack_arguments((1,), {}))) as response:
        assert read_result(await response.read()) == 1


@pytest.mark.parametrize(
    "arguments",
    [b"", b"\xee", pickle.dumps((print, ())), pack_arguments((1,), {})[:-2], b"\x05just text"],
    ids=repr,
)
async def test_arguments_that_cannot_be_read(http: aiohttp.ClientSession, arguments: bytes) -> None:
    """The room says so; nothing in them is executed, and it goes on."""
    async with http.post(PATH, data=call(arguments)) as response:
        with pytest.raises(CallError, match="argument"):
            read_result(await response.read())
    async with http.post(PATH, data=call(pack_arguments((1,), {}))) as response:
        assert read_result(await response.read()) == 1


async def test_a_call_that_is_too_large_is_refused(http: aiohttp.ClientSession) -> None:
    """With 413, whether its length was announced or not."""
    too_much = CALL_BYTES_MAX + HEADS_BYTES_MAX + 1

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(too_much // 65_536 + 1):
            yield bytes(65_536)

    for body in (io.BytesIO(bytes(too_much)), pieces()):
        try:
            async with http.post(PATH, data=body) as response:
                assert response.status == 413
        except aiohttp.ClientOSError:
            pass  # the answer came while the body was still being sent, and the end with it


async def test_a_program_is_told_what_is_wrong(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its token, its URL, or the gateway."""
    async with connect(stage.url, token="wrong") as rooms:
        with pytest.raises(CallError, match=r"answered 401: calls need the token"):
            await rooms.parties.sum.get("a").add(1)
    async with connect("http://127.0.0.1:1", token="wrong") as rooms:
        with pytest.raises(CallError, match="no gateway answers at http://127.0.0.1:1"):
            await rooms.parties.sum.get("a").add(1)
    with pytest.raises(ValueError, match="no URL of a server"):
        connect("127.0.0.1:1999")
    with pytest.raises(CallError, match=r"call ray.init\(\) first, or give url= and token="):
        await connect().__aenter__()
    with pytest.raises(RuntimeError, match="async with"):
        connect().parties  # noqa: B018
    monkeypatch.setenv(URL_VARIABLE, stage.url + "/")
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    async with connect() as rooms:
        assert await rooms.parties.sum.get("a").add(1, 2) == 3
