"""Hooks that raise: the room goes on, the client learns that it failed and not why."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind, unpack_close
from parlour.actors.lifecycle import State
from parlour.actors.messages import Refused
from parlour.actors.response import Response

from .staging import Counter, Diary, Stage


class Panic(BaseException):
    """No Exception, as the panics of libraries in Rust."""


async def test_a_client_whose_on_connect_raises_is_let_in_to_be_told(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """It gets 1011 and not the reason; the log has party, room and hook; on_close does not run."""

    class Faulty(Diary):
        def on_connect(self, connection: Any, request: Any) -> None:
            raise RuntimeError("secret")

    stage.start(Faulty)
    gateway = await stage.attached()
    gateway.connect(1)
    frames = await gateway.done(gateway.close(1, 1011))
    assert [frame.kind for frame in frames if frame.kind is not Kind.DONE] == [
        Kind.TAKEN,
        Kind.ACCEPT,
        Kind.CLOSE,
    ]
    assert b"secret" not in b"".join(frame.payload for frame in frames)
    assert "party chat, room lobby: on_connect raised" in caplog.text
    assert Faulty.diary == ["start"]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("secret"),
        asyncio.CancelledError("secret"),
        SystemExit("secret"),
        KeyboardInterrupt("secret"),
        GeneratorExit("secret"),
        BaseExceptionGroup("secret", [KeyboardInterrupt()]),
        Panic("secret"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_room_outlives_a_hook_that_raises(
    stage: Stage, caplog: pytest.LogCaptureFixture, error: BaseException, kind: str
) -> None:
    """Messages, ends and requests go on; a request is answered 500 without the reason.

    A hook that awaits something that was cancelled raises CancelledError: one more error. And
    `sys.exit()` ends no process that other rooms share. What is no Exception ends no room either.
    """

    def fail() -> None:
        raise error

    async def fail_later() -> None:
        raise error

    raising = fail if kind == "def" else fail_later

    class Faulty(Diary):
        def on_message(self, connection: Any, message: Any) -> Any:
            super().on_message(connection, message)
            return raising() if message == "raise" else None

        def on_close(self, connection: Any, code: int, reason: str, was_clean: bool) -> Any:
            super().on_close(connection, code, reason, was_clean)
            return raising()

        def on_request(self, request: Any) -> Any:
            return raising()

    stage.start(Faulty)
    gateway = await stage.attached(1, 2)
    gateway.text(1, "raise")
    gateway.text(1, "go on")
    await gateway.done(gateway.close(1))
    gateway.request(3)
    status, body, _ = await gateway.answer()
    assert (status, b"secret" in body) == (500, False)
    await gateway.done(gateway.text(2, "still here"))
    assert Faulty.diary[3:] == [
        ("c1", "raise"),
        ("c1", "go on"),
        ("close", "c1", 1000, True),
        ("c2", "still here"),
    ]
    for hook in ("on_message", "on_close", "on_request"):
        assert f"party chat, room lobby: {hook} raised" in caplog.text
    assert stage.room.state is State.LIVE


@pytest.mark.parametrize("given", [RuntimeError("secret"), "abc", None, [1], [""]], ids=repr)
async def test_tags_are_asked_for_before_the_client_is_let_in(
    stage: Stage, caplog: pytest.LogCaptureFixture, given: Any
) -> None:
    """They are there in on_connect; a hook that fails, or gives no tags, fails like on_connect."""

    class Tagged(Diary):
        def get_connection_tags(self, connection: Any, request: Any) -> Any:
            if connection.id == "good":
                return [request.query["_pk"] + "!", "x"]
            if isinstance(given, Exception):
                raise given
            return given

        def on_connect(self, connection: Any, request: Any) -> None:
            tagged = [each.id for each in self.connections("x")]
            self.diary.append((connection.tags, tagged, self.connections("y")))

    stage.start(Tagged)
    gateway = await stage.attached()
    gateway.connect(1, "good")
    await gateway.until(Kind.ACCEPT)
    gateway.connect(2, "bad")
    close = (await gateway.until(Kind.CLOSE))[-1]
    assert unpack_close(close.payload)[0] == 1011
    assert b"secret" not in close.payload
    assert Tagged.diary[1:] == [(("good", "good!", "x"), ["good"], [])]
    assert "party chat, room lobby" in caplog.text


async def test_an_answer_that_cannot_be_sent_is_a_failure_of_the_hook(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that a room returns may harm the link, which other rooms use too."""

    class Api(Diary):
        def on_request(self, request: Any) -> Any:
            if request.method == "GET":
                return 7
            response = Response("x")
            if request.method == "PUT":
                response.headers["x-count"] = 7  # type: ignore[assignment]
            elif request.method == "POST":
                response.headers["x-split"] = "a\r\nset-cookie: b"
            else:
                response.body = bytes(100_000_000)
            return response

    stage.start(Api)
    gateway = await stage.attached()
    for method in ("GET", "PUT", "POST", "DELETE"):
        gateway.request(1, method)
        assert (await gateway.answer())[0] == 500
    assert caplog.text.count("on_request raised") == 4


async def test_a_room_whose_on_start_raises_is_not_there(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Its gateways are told, nothing that it wrote or sent stays, and the next one may try."""

    class Unstartable(Diary):
        def on_start(self) -> None:
            self.storage.put("count", 5)
            self.broadcast("never")
            raise RuntimeError("secret")

    gateway = await stage.gateway()
    room = stage.start(Unstartable)
    gateway.attach()
    gateway.connect(1)
    frames = await gateway.until(Kind.REFUSED)
    assert len(frames) == 1
    refused = messages.decode(frames[0].payload, Refused)
    assert refused.reason == "start failed"
    assert "secret" not in refused.message
    await stage.ended()
    assert (room.state, stage.absent) == (State.ABSENT, [room])
    assert "party chat, room lobby: on_start raised" in caplog.text

    stage.start(Counter, owner="r2")
    gateway.attach()
    gateway.connect(1)
    gateway.text(1, "a")
    assert (await gateway.until(Kind.SEND_TEXT))[-1].payload == b"1"


@pytest.mark.parametrize("where", ["__init__", "on_start"])
async def test_a_start_that_raises_no_exception_has_failed(stage: Stage, where: str) -> None:
    """Its gateways are told, and the room's task ends."""

    def panic(*_: object) -> None:
        raise Panic

    gateway = await stage.gateway()
    room = stage.start(type("Unstartable", (Diary,), {where: panic}))
    gateway.attach()
    gateway.connect(1)
    refused = messages.decode((await gateway.until(Kind.REFUSED))[-1].payload, Refused)
    assert refused.reason == "start failed"
    await stage.ended()
    assert (room.state, stage.absent) == (State.ABSENT, [room])


@pytest.mark.parametrize("how", ["json", "text", "form"])
async def test_a_body_that_a_hook_cannot_read_is_the_clients_mistake(
    stage: Stage, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """400, and no traceback in the log; an error of the hook's own is 500 as ever."""

    class Reader(Diary):
        async def on_request(self, request: Any) -> Any:
            if request.body == b"own":
                raise ValueError("secret")
            if request.body == b"caught":
                with contextlib.suppress(ValueError):
                    request.json()
                raise ValueError("secret")
            read = getattr(request, how)
            return Response.json(await read() if how == "form" else read())

    stage.start(Reader)
    gateway = await stage.attached()
    gateway.request(1, "POST", b"\xff")
    status, body, _ = await gateway.answer()
    assert (status, body[:25]) == (400, b"the body cannot be read: ")
    assert "raised" not in caplog.text
    for body in (b"own", b"caught"):
        gateway.request(2, "POST", body)
        status, told, _ = await gateway.answer()
        assert (status, b"secret" in told) == (500, False)
    assert "on_request raised" in caplog.text
