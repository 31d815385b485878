"""Connections as the room sees them: what they send, and what they refuse to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors import messages
from parlour.actors.attachment import Attachment
from parlour.actors.connection import (
    CLOSE_REASON_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    STATE_BYTES_MAX,
    Connection,
    StateTooLarge,
)
from parlour.actors.frames import Kind, unpack_close
from parlour.actors.gates import OutputGate
from parlour.actors.messages import ConnectionRecord, Standing
from parlour.storage import DataCloneError, encode

from .linked import Frame, LinkPair, link_pair

CHANNEL, NUMBER = 3, 9


class NothingWritten:
    """A storage without a write to wait for."""

    gate = durable = 0


class Outlet:
    """Where the frames leave."""

    def __init__(self) -> None:
        self.output = OutputGate(NothingWritten())


class Stage:
    """Makes connections and reads what they send."""

    def __init__(self, pair: LinkPair) -> None:
        self.pair = pair
        self._attachment = Attachment(pair.near, CHANNEL, "g1", 0)

    def connection(
        self, *, accepted: bool = True, tags: list[str] | None = None, state: bytes = b""
    ) -> Connection:
        record = ConnectionRecord(
            NUMBER, "ada", "ws://h/party/x?q=1", [("Host", "h")], tags or [], state
        )
        return Connection(Outlet(), self._attachment, record, accepted=accepted)

    async def sent(self) -> list[Frame]:
        """What was sent since the last look; all of it on the connection's channel and number."""
        self.pair.near.flush()
        self.pair.near.write(b"\x11\x00\x00\x00" + bytes([Kind.EXIT]) + bytes(16))
        frames = (await self.pair.far_inbox.take_until(Kind.EXIT))[:-1]
        assert all((f.channel, f.number, f.sequence) == (CHANNEL, NUMBER, 0) for f in frames)
        return frames


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A link to a gateway."""
    pair = await link_pair(tmp_path)
    yield Stage(pair)
    pair.close()


async def test_a_connection_knows_what_the_client_asked_for(stage: Stage) -> None:
    """Its id, its full URL and the request that opened it."""
    connection = stage.connection()
    assert (connection.id, connection.uri, connection.number) == ("ada", "ws://h/party/x?q=1", 9)
    request = connection.request()
    assert (request.method, request.query["q"], request.headers["host"]) == ("GET", "1", "h")
    assert repr(connection) == "<Connection ada>"


async def test_text_is_sent_as_text_and_bytes_as_bytes(stage: Stage) -> None:
    """In order; anything bytes-like is bytes."""
    connection = stage.connection()
    for message in ("été", b"\x00", bytearray(b"\x01"), memoryview(b"\x02"), ""):
        connection.send(message)  # type: ignore[arg-type]
    assert [(frame.kind, frame.payload) for frame in await stage.sent()] == [
        (Kind.SEND_TEXT, "été".encode()),
        (Kind.SEND_BINARY, b"\x00"),
        (Kind.SEND_BINARY, b"\x01"),
        (Kind.SEND_BINARY, b"\x02"),
        (Kind.SEND_TEXT, b""),
    ]


async def test_a_sent_buffer_can_be_changed_afterwards(stage: Stage) -> None:
    """What leaves is what it was at the call."""
    buffer = bytearray(b"before")
    stage.connection().send(buffer)  # type: ignore[arg-type]
    buffer[:] = b"after!"
    assert [frame.payload for frame in await stage.sent()] == [b"before"]


@pytest.mark.parametrize("message", [None, 1, {"a": 1}, ["a"], object()])
async def test_what_is_neither_text_nor_bytes_is_not_sent(stage: Stage, message: Any) -> None:
    """The error names the type."""
    with pytest.raises(TypeError, match=f"{type(message).__name__}.*str or bytes"):
        stage.connection().send(message)
    assert await stage.sent() == []


async def test_a_message_over_the_limit_is_not_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit counts bytes, also of text; the limit itself may be sent."""
    assert MESSAGE_BYTES_MAX == 32 * 1024 * 1024
    monkeypatch.setattr("parlour.actors.connection.MESSAGE_BYTES_MAX", 10)
    connection = stage.connection()
    connection.send("x" * 10)
    for message in ("é" * 6, b"x" * 11):
        with pytest.raises(ValueError, match="the most is 10"):
            connection.send(message)
    assert len(await stage.sent()) == 1


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 1014, 3000, 4000, 4999])
async def test_a_code_that_may_be_sent_is_sent(stage: Stage, code: int) -> None:
    """With the reason, after what was sent before."""
    connection = stage.connection()
    connection.send("last")
    connection.close(code, "été")
    sent = await stage.sent()
    assert [frame.kind for frame in sent] == [Kind.SEND_TEXT, Kind.CLOSE]
    assert unpack_close(sent[1].payload) == (code, "été")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 5000, -1, 65536])
async def test_a_code_that_may_not_be_sent_is_refused(stage: Stage, code: int) -> None:
    """And the connection stays open."""
    connection = stage.connection()
    with pytest.raises(ValueError, match=f"close code {code} "):
        connection.close(code)
    assert not connection.closing
    assert await stage.sent() == []


async def test_a_close_reason_fits_a_control_frame(stage: Stage) -> None:
    """123 bytes of UTF-8, not characters."""
    with pytest.raises(ValueError, match="124 bytes.*123"):
        stage.connection().close(1000, "é" * 62)
    stage.connection().close(1000, "é" * 61 + "x")
    assert len((await stage.sent())[0].payload) == 2 + CLOSE_REASON_BYTES_MAX


async def test_a_closing_connection_sends_nothing_more(stage: Stage) -> None:
    """Sends are dropped, a second close too; no error, since clients close at any time."""
    connection = stage.connection()
    connection.close()
    connection.send("too late")
    connection.close(4000, "again")
    assert connection.closing
    assert repr(connection) == "<Connection ada, closing>"
    assert [unpack_close(frame.payload) for frame in await stage.sent()] == [(1000, "")]


async def test_state_is_kept_by_the_gateway(stage: Stage) -> None:
    """Each change of an open connection goes there at once, encoded by the storage's codec."""
    connection = stage.connection()
    assert connection.state is None
    assert connection.set_state({"name": "Ada"}) == {"name": "Ada"} == connection.state
    assert connection.set_state(lambda state: {**state, "age": 36}) == connection.state
    assert connection.set_state(None) is None
    standings = [messages.decode(frame.payload, Standing) for frame in await stage.sent()]
    assert [standing.state for standing in standings] == [
        encode({"name": "Ada"}),
        encode({"name": "Ada", "age": 36}),
        b"",
    ]


async def test_state_set_before_the_client_is_let_in_goes_with_its_letting_in(
    stage: Stage,
) -> None:
    """One frame, after TAKEN."""
    connection = stage.connection(accepted=False)
    connection.take()
    connection.set_state(1)
    connection.tag(["a", "b", "a", connection.id])
    connection.accept()
    taken, accept = await stage.sent()
    assert (taken.kind, accept.kind) == (Kind.TAKEN, Kind.ACCEPT)
    assert messages.decode(accept.payload, Standing) == Standing(["a", "b"], encode(1))


async def test_a_woken_connection_has_its_tags_and_state(stage: Stage) -> None:
    """As they were kept; its id is always the first."""
    connection = stage.connection(tags=["admin"], state=encode([1, 2]))
    assert (connection.tags, connection.state) == (("ada", "admin"), [1, 2])
    assert stage.connection().tags == ("ada",)


@pytest.mark.parametrize(
    ("tags", "error", "says"),
    [
        ("ab", TypeError, "give a list of str"),
        ([1], TypeError, "give a list of str"),
        ([str(n) for n in range(10)], ValueError, "10 tags were given, .* at most 9"),
        ([""], ValueError, "a tag of 0 characters"),
        (["x" * 257], ValueError, "a tag of 257 characters"),
        (["\ud800"], ValueError, "surrogates not allowed"),
    ],
)
async def test_bad_tags_are_refused(
    stage: Stage, tags: object, error: type[Exception], says: str
) -> None:
    """With what is allowed; the connection keeps those it had."""
    connection = stage.connection(tags=["before"])
    with pytest.raises(error, match=says):
        connection.tag(tags)
    assert connection.tags == ("ada", "before")


async def test_state_over_the_limit_is_refused(stage: Stage) -> None:
    """The limit counts encoded bytes; what was kept before stays, here and at the gateway."""
    connection = stage.connection()
    connection.set_state("before")
    with pytest.raises(StateTooLarge, match=f"the most is {STATE_BYTES_MAX}; keep the rest in"):
        connection.set_state("x" * STATE_BYTES_MAX)
    assert connection.state == "before"
    assert len(await stage.sent()) == 1


async def test_state_that_is_not_storable_is_refused(stage: Stage) -> None:
    """Naming where it sits; what was kept before stays."""
    connection = stage.connection()
    connection.set_state("before")
    with pytest.raises(DataCloneError, match="handler"):
        connection.set_state({"handler": print})
    assert connection.state == "before"
    with pytest.raises(ZeroDivisionError):
        connection.set_state(lambda _: 1 / 0)
    assert connection.state == "before"
    assert len(await stage.sent()) == 1
