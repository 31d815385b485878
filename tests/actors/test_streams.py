"""Answers that a room gives piece by piece, and bodies that it reads so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from parlour.actors import hooks, messages
from parlour.actors.body_stream import PIECE_BYTES_MAX, WINDOW_BYTES
from parlour.actors.frames import Kind, pack_amount, pack_parts, unpack_amount, unpack_parts
from parlour.actors.lifecycle import State
from parlour.actors.messages import RequestHead, ResponseHead
from parlour.actors.request import BodyLost
from parlour.actors.response import Response
from parlour.actors.streams import CUT

from .staging import Diary, Gateway, Stage, until


class Streaming(Diary):
    """Streams what it is given, a piece for each message; says whether the iterator has ended."""

    def on_start(self) -> None:
        self.pieces: asyncio.Queue[Any] = asyncio.Queue()
        self.ended = ""

    def on_request(self, request: Any) -> Response:
        return Response(self.stream(), headers={"content-type": "text/plain"})

    async def stream(self) -> AsyncIterator[Any]:
        try:
            while (piece := await self.pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
            self.ended = "in order"
        except (asyncio.CancelledError, GeneratorExit) as error:
            self.ended = "closed" if isinstance(error, GeneratorExit) else "cancelled"
            raise

    def on_message(self, connection: Any, message: Any) -> None:
        if message == "end":
            self.pieces.put_nowait(None)
        elif message == "raise":
            self.pieces.put_nowait(12)
        elif message == "panic":
            self.pieces.put_nowait(BaseExceptionGroup("panic", [KeyboardInterrupt()]))
        else:
            self.storage.put("last", message)
            self.pieces.put_nowait(message)


@pytest.fixture
async def gateway(stage: Stage) -> Gateway:
    """A gateway with a client, of a room that streams."""
    stage.start(Streaming)
    return await stage.attached(1)


async def head(gateway: Gateway) -> ResponseHead:
    """The head of the next answer."""
    frame = (await gateway.until(Kind.RESPONSE))[-1]
    head_data, body = unpack_parts(frame.payload)
    assert body == b""
    return messages.decode(head_data, ResponseHead)


def room_of(stage: Stage) -> Streaming:
    room = stage.room._room
    assert isinstance(room, Streaming)
    return room


# Answers


async def test_a_streamed_answer_leaves_piece_by_piece_beside_the_events(
    stage: Stage, gateway: Gateway
) -> None:
    """Its event is done when the hook has returned; messages are handled meanwhile."""
    await gateway.done(gateway.request(7))
    gateway.text(1, "a")
    piece = (await gateway.until(Kind.PIECE))[-1]
    assert (piece.number, piece.payload) == (7, b"a")
    gateway.text(1, "b")
    gateway.text(1, "end")
    assert await gateway.pieces() == ([b"b"], b"")
    assert room_of(stage).ended == "in order"


async def test_its_head_says_that_more_follows(gateway: Gateway) -> None:
    """With the status and the headers of the response."""
    gateway.request(7)
    assert await head(gateway) == ResponseHead(200, [("content-type", "text/plain")], True)


async def test_a_piece_waits_for_the_writes_made_before_it(stage: Stage, gateway: Gateway) -> None:
    """Like everything that a room sends, behind the output gate."""
    await gateway.done(gateway.request(7))
    stage.backend.hold()
    gateway.text(1, "a")
    await stage.backend.asked.wait()
    await until(lambda: room_of(stage).pieces.empty())
    for _ in range(20):
        await asyncio.sleep(0)
    assert Kind.PIECE not in [frame.kind for frame in gateway.inbox.left()]
    stage.backend.go_on()
    assert (await gateway.until(Kind.PIECE))[-1].payload == b"a"


async def test_no_more_is_sent_than_the_client_reads(stage: Stage, gateway: Gateway) -> None:
    """A window's worth is on its way; each grant lets out as much again."""
    await gateway.done(gateway.request(7))
    room = room_of(stage)
    for _ in range(20):
        room.pieces.put_nowait(b"x" * PIECE_BYTES_MAX)
    room.pieces.put_nowait(None)
    got = 0
    while got < WINDOW_BYTES:
        got += len((await gateway.until(Kind.PIECE))[-1].payload)
    for _ in range(20):
        await asyncio.sleep(0)
    assert gateway.inbox.left() == []
    assert got == WINDOW_BYTES
    gateway.aside(Kind.GRANT, 7, pack_amount(PIECE_BYTES_MAX))
    assert len((await gateway.until(Kind.PIECE))[-1].payload) == PIECE_BYTES_MAX
    gateway.aside(Kind.GRANT, 7, pack_amount(20 * PIECE_BYTES_MAX))
    pieces, end = await gateway.pieces()
    assert (len(b"".join(pieces)), end) == (15 * PIECE_BYTES_MAX, b"")


async def test_a_long_piece_is_cut_and_text_is_encoded(stage: Stage, gateway: Gateway) -> None:
    """What the client gets is the same."""
    await gateway.done(gateway.request(7))
    for piece in ("été", b"y" * (PIECE_BYTES_MAX + 1), b"", None):
        room_of(stage).pieces.put_nowait(piece)
    pieces, _ = await gateway.pieces()
    assert [len(piece) for piece in pieces] == [5, PIECE_BYTES_MAX, 1]


@pytest.mark.parametrize("pieces", [0, 9])
async def test_the_iterator_ends_when_the_client_leaves(
    stage: Stage, gateway: Gateway, pieces: int
) -> None:
    """Wherever it waits: for its own next piece, or at a `yield` for the client to read on."""
    await gateway.done(gateway.request(7))
    for _ in range(pieces):
        room_of(stage).pieces.put_nowait(b"x" * PIECE_BYTES_MAX)
    for _ in range(min(pieces, WINDOW_BYTES // PIECE_BYTES_MAX)):
        await gateway.until(Kind.PIECE)
    gateway.aside(Kind.LEFT, 7)
    await until(lambda: not stage.room.streams)
    assert room_of(stage).ended == ("closed" if pieces else "cancelled")
    gateway.aside(Kind.LEFT, 7)
    gateway.aside(Kind.GRANT, 7, pack_amount(1))
    await gateway.done(gateway.text(1, "goes on"))


async def test_the_iterator_is_cancelled_when_its_gateway_is_lost(
    stage: Stage, gateway: Gateway
) -> None:
    """Nobody can be told any more."""
    await gateway.done(gateway.request(7))
    gateway.link.abort()
    await until(lambda: room_of(stage).ended == "cancelled")


@pytest.mark.parametrize("what", ["raise", "panic"])
async def test_an_iterator_that_raises_cuts_the_answer(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """The log has the reason and the client has not; here, for a piece that is neither str nor
    bytes, and for what is no Exception."""
    await gateway.done(gateway.request(7))
    gateway.text(1, "a")
    gateway.text(1, what)
    assert await gateway.pieces() == ([b"a"], CUT)
    assert "party chat, room lobby: a streamed answer raised" in caplog.text
    await gateway.done(gateway.text(1, "goes on"))


async def test_a_room_that_streams_does_not_hibernate(stage: Stage, gateway: Gateway) -> None:
    """It is idle again when the last answer has ended, from then on."""
    await gateway.done(gateway.request(7))
    assert not stage.room.idle
    stage.room.leave("hibernate")
    stage.now_s += 50
    await gateway.done(gateway.text(1, "end"))
    await gateway.pieces()
    await until(lambda: stage.room.idle)
    assert stage.room.last_event_s == stage.now_s
    stage.room.leave("hibernate")
    await gateway.until(Kind.GONE)


async def test_a_room_that_has_to_leave_cuts_its_answers(stage: Stage, gateway: Gateway) -> None:
    """The client hears that it is not whole, before the room is gone."""
    await gateway.done(gateway.request(7))
    room = room_of(stage)
    stage.room.leave("deploy")
    assert await gateway.pieces() == ([], CUT)
    await gateway.until(Kind.GONE)
    assert room.ended == "cancelled"


async def test_a_room_that_breaks_streams_nothing_more(stage: Stage, gateway: Gateway) -> None:
    """Not even the end: what its gateway hears is that it is gone."""
    await gateway.done(gateway.request(7))
    room = room_of(stage)
    stage.room.break_off("as the test wants it")
    frames = await gateway.until(Kind.GONE)
    assert Kind.END not in [frame.kind for frame in frames]
    await until(lambda: room.ended == "cancelled")
    assert stage.room.state is State.ABSENT


async def test_the_time_limit_of_a_hook_ends_with_its_answer_s_head(
    stage: Stage, gateway: Gateway
) -> None:
    """A stream may take as long as it likes."""
    await gateway.done(gateway.request(7))
    stage.now_s += 1e6
    stage.room.check_time()
    gateway.text(1, "a")
    gateway.text(1, "end")
    assert await gateway.pieces() == ([b"a"], b"")


async def test_a_head_alone_is_asked_for(stage: Stage, gateway: Gateway) -> None:
    """HEAD: the iterator does not run."""
    await gateway.done(gateway.request(7, "HEAD"))
    assert not stage.room.streams
    assert room_of(stage).ended == ""


async def test_a_room_streams_only_so_many_answers(
    stage: Stage, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is answered 503, until one has ended."""
    monkeypatch.setattr(hooks, "STREAMS_MAX", 1)
    await gateway.done(gateway.request(7))
    gateway.request(8)
    status, body, _ = await gateway.answer()
    assert (status, b"too many" in body) == (503, True)
    gateway.aside(Kind.LEFT, 7)
    await until(lambda: not stage.room.streams)
    gateway.request(9)
    assert (await head(gateway)).streamed


# Bodies


class Reading(Diary):
    """Reads bodies piece by piece."""

    async def on_request(self, request: Any) -> Any:
        assert request.streamed
        with pytest.raises(RuntimeError, match=r"request.stream\(\)"):
            _ = request.body
        if request.method == "PUT":
            return "not read"
        if request.method == "PATCH":
            return Response(self.shout(request))
        try:
            async for piece in request.stream():
                self.diary.append(piece)
        except BodyLost as error:
            self.diary.append(str(error))
            raise
        return "read"

    async def shout(self, request: Any) -> AsyncIterator[bytes]:
        async for piece in request.stream():
            yield piece.upper()


@pytest.fixture
async def reader(stage: Stage) -> Gateway:
    """A gateway of a room that reads."""
    Reading.diary = []
    stage.start(Reading)
    return await stage.attached()


def upload(gateway: Gateway, number: int, method: str = "POST") -> int:
    """A request whose body follows."""
    head = RequestHead(method, "http://h/party/lobby", "/", [], streamed=True)
    return gateway.send(Kind.REQUEST, number, pack_parts(messages.encode(head), b""))


async def wanted(gateway: Gateway) -> int:
    """How much more of the body the room wants."""
    return unpack_amount((await gateway.until(Kind.WANTED))[-1].payload)


async def test_a_body_is_read_as_it_comes(stage: Stage, reader: Gateway) -> None:
    """The room asks for it, and for more as it reads."""
    upload(reader, 7)
    assert await wanted(reader) == WINDOW_BYTES
    reader.aside(Kind.BODY, 7, b"")
    reader.aside(Kind.BODY, 7, b"one")
    await until(lambda: b"one" in Reading.diary)
    half = b"x" * (WINDOW_BYTES // 2)
    reader.aside(Kind.BODY, 7, half)
    assert await wanted(reader) == len(half) + 3
    reader.aside(Kind.BODY_END, 7)
    assert (await reader.answer())[:2] == (200, b"read")
    assert Reading.diary == ["start", b"one", half]


async def test_a_body_that_breaks_off_raises_where_it_is_read(
    stage: Stage, reader: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """The client may be there still: 400. It is no error of the room's."""
    upload(reader, 7)
    await wanted(reader)
    reader.aside(Kind.BODY, 7, b"one")
    reader.aside(Kind.BODY_END, 7, b"the client went away")
    assert (await reader.answer())[0] == 400
    assert Reading.diary[1:] == [
        b"one",
        "the rest of the body does not come: the client went away",
    ]
    assert "raised" not in caplog.text


async def test_a_body_that_its_gateway_has_no_more_runs_no_hook(
    stage: Stage, reader: Gateway
) -> None:
    """A room actor died reading it: the client knows, and nothing is done twice."""
    sequence = upload(reader, 7)
    await wanted(reader)
    reader.aside(Kind.BODY_END, 7, b"the room was lost")
    frames = await reader.done(sequence)
    assert Kind.RESPONSE not in [frame.kind for frame in frames]
    assert Reading.diary == ["start"]


async def test_a_body_of_nothing_is_whole(stage: Stage, reader: Gateway) -> None:
    """It ends where it begins."""
    upload(reader, 7)
    await wanted(reader)
    reader.aside(Kind.BODY, 7, b"")
    reader.aside(Kind.BODY_END, 7)
    assert (await reader.answer())[:2] == (200, b"read")


async def test_a_hook_need_not_read_the_body(stage: Stage, reader: Gateway) -> None:
    """What still comes of it is dropped."""
    upload(reader, 7, "PUT")
    await wanted(reader)
    reader.aside(Kind.BODY, 7, b"")
    assert (await reader.answer())[:2] == (200, b"not read")
    reader.aside(Kind.BODY, 7, b"late")
    upload(reader, 8, "PUT")
    await wanted(reader)
    reader.aside(Kind.BODY, 8, b"")
    assert (await reader.answer())[:2] == (200, b"not read")


async def test_an_answer_may_stream_what_it_makes_of_the_body(
    stage: Stage, reader: Gateway
) -> None:
    """Both ways at once."""
    upload(reader, 7, "PATCH")
    await wanted(reader)
    reader.aside(Kind.BODY, 7, b"one")
    assert (await reader.until(Kind.PIECE))[-1].payload == b"ONE"
    reader.aside(Kind.BODY, 7, b"two")
    reader.aside(Kind.BODY_END, 7)
    assert await reader.pieces() == ([b"TWO"], b"")


async def test_a_lost_gateway_ends_the_bodies_that_it_was_sending(
    stage: Stage, reader: Gateway
) -> None:
    """The hook does not wait for ever."""
    upload(reader, 7)
    await wanted(reader)
    reader.aside(Kind.BODY, 7, b"one")
    await until(lambda: b"one" in Reading.diary)
    reader.link.abort()
    await until(lambda: "the gateway was lost" in str(Reading.diary[-1]))
