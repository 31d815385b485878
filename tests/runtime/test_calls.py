"""Rooms that call rooms, by way of the gateway: what arrives, in which order, what fails how."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors import calls as calls_module
from parlour.actors.call_errors import (
    AnswerLost,
    CallError,
    CallTimeout,
    CallTooLarge,
    DeadlockError,
    NoSuchMethod,
    NoSuchParty,
    RemoteError,
    RoomUnavailable,
)
from parlour.actors.request import Request
from parlour.actors.response import Response
from parlour.actors.room import Room
from parlour.actors.watch import Watching
from parlour.runtime.outside import Rooms
from parlour.storage import DataCloneError

from ..actors.linked import TIMEOUT_S
from ..actors.staging import until
from .calling import Stage, staged


class OutOfStock(LookupError):
    """No exception of Python's own."""


async def pieces(count: int) -> AsyncIterator[bytes]:
    """A body piece by piece."""
    for number in range(count):
        yield b"piece %d " % number + bytes(0 if count < 10 else 100_000)


class Shop(Room):
    """Is called, and calls other rooms as it is told to."""

    seen: list[Any] = []
    gate = asyncio.Event()

    def add(self, a: int, b: int = 1) -> int:
        return a + b

    async def note(self, what: object) -> int:
        self.seen.append(what)
        count: int = await self.storage.get("count", 0) + 1
        self.storage.put("count", count)
        return count

    async def hold(self) -> str:
        self.seen.append("held")
        await type(self).gate.wait()
        return "let go"

    def fail(self, what: str) -> None:
        if what == "own":
            raise OutOfStock("no more tea")
        if what == "call":
            raise RoomUnavailable("says the room itself")
        if what == "exit":
            raise SystemExit("enough")
        if what == "panic":
            raise BaseExceptionGroup("panic", [KeyboardInterrupt()])
        if what == "unstorable":
            raise ValueError(object())
        raise KeyError("tea", 3)

    def result(self, what: str) -> object:
        return {"unstorable": object, "large": "x" * calls_module.CALL_BYTES_MAX}[what]

    async def tell(self, party: str, room: str, method: str, *args: object) -> Any:
        """Call another room, and say what came of it."""
        return await getattr(self.parties[party].get(room), method)(*args)

    async def chain(self, *rooms: str) -> str:
        """Call the first of the rooms with the others."""
        if not rooms:
            return self.id
        answer: str = await self.parties.shop.get(rooms[0]).chain(*rooms[1:])
        return f"{self.id} {answer}"

    async def chain_in_task(self, other: str) -> str:
        """As a hook may ask several at once."""

        async def ask() -> str:
            answer: str = await self.parties.shop.get(other).chain(self.id)
            return answer

        return (await asyncio.gather(ask()))[0]

    async def ask_many(self, room: str, count: int) -> list[int]:
        stub = self.parties.shop.get(room)
        return list(await asyncio.gather(*(stub.note(number) for number in range(count))))

    async def fetch_from(self, room: str, path: str, body: str) -> tuple[int, bytes, str]:
        headers = {"X-Own": "1"}
        stub = self.parties.shop.get(room)
        response = await stub.fetch(path, method="post", headers=headers, body=body)
        return response.status, response.body, response.headers["x-seen"]

    async def status_of(self, room: str, path: str) -> int:
        return (await self.parties.shop.get(room).fetch(path)).status

    async def tell_soon(self, room: str) -> None:
        await self.parties.shop.get(room, timeout=0.05).hold()

    async def write_and_tell(self, room: str) -> int:
        self.storage.put("written", True)
        answer: int = await self.parties.shop.get(room).note("after the write")
        return answer

    async def write_and_wait(self, room: str, write: bool) -> Any:
        """Wait for another room, after a write of its own or without one."""
        if write:
            self.storage.put("asked", True)
        return await self.parties.shop.get(room).hold()

    async def on_request(self, request: Request) -> Response:
        if request.path == "/raise":
            raise RuntimeError("secret")
        if request.path in ("/streamed", "/endless"):
            return Response(pieces(3 if request.path == "/streamed" else 10**9))
        if request.path == "/large":
            return Response(bytes(calls_module.CALL_BYTES_MAX + 1))
        if request.path == "/back":
            return Response(await self.parties.shop.get(request.query["to"]).chain())
        said = f"{request.method} {request.url} {request.path} {request.text()}"
        return Response(said, 201, {"X-Seen": request.headers["x-own"]})

    @staticmethod
    def hidden() -> None:
        """Neither static methods nor what begins with `_` may be called."""

    def _private(self) -> None: ...


class Turns(Shop):
    """Handles other events while it waits."""

    interleave = True

    async def chain(self, *rooms: str) -> str:
        if not rooms:
            return self.id
        party, _, room = rooms[0].rpartition(":")
        answer: str = await self.parties[party or "shop"].get(room).chain(*rooms[1:])
        return f"{self.id} {answer}"


class Needy(Room):
    """Asks another room before it is there for anybody."""

    async def on_start(self) -> None:
        self.name_of_friend: str = await self.parties.shop.get("a").chain()

    def friend(self) -> str:
        return self.name_of_friend


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Rooms `b` and `d` are in another process than the others."""
    Shop.seen = []
    Shop.gate = asyncio.Event()
    async with staged(tmp_path, monkeypatch, shop=Shop, turns=Turns, needy=Needy) as stage:
        stage.places.update(b=1, d=1)
        yield stage


@pytest.fixture
async def rooms(stage: Stage) -> AsyncIterator[Rooms]:
    """The rooms as a program outside sees them: what a test tells them what to do with."""
    async with stage.outside() as rooms, asyncio.timeout(TIMEOUT_S):
        yield rooms


@pytest.mark.parametrize("callee", ["b", "c"])
async def test_a_room_calls_a_method_of_another(rooms: Rooms, callee: str) -> None:
    """In another process or in its own; the call wakes it, and its result is a copy."""
    a = rooms.parties.shop.get("a")
    assert await a.tell("shop", callee, "add", 2, 3) == 5
    value = {"nested": [1, {2, 3}], "bytes": b"\x00"}
    assert await a.tell("shop", callee, "note", value) == 1
    assert Shop.seen == [value]
    assert Shop.seen[0] is not value


async def test_calls_of_a_stub_are_handled_in_their_order(rooms: Rooms) -> None:
    """Also where several wait for their answers at once."""
    answers = await rooms.parties.shop.get("a").ask_many("b", 50)
    assert answers == list(range(1, 51))
    assert Shop.seen == list(range(50))


async def test_exceptions_arrive_as_themselves(rooms: Rooms) -> None:
    """Those that are Python's own; others keep the name of their type and their text."""
    a = rooms.parties.shop.get("a")
    with pytest.raises(KeyError) as key_error:
        await a.tell("shop", "b", "fail", "")
    assert key_error.value.args == ("tea", 3)
    with pytest.raises(RemoteError) as remote:
        await a.tell("shop", "b", "fail", "own")
    assert (remote.value.type_name, remote.value.text) == ("OutOfStock", "no more tea")
    with pytest.raises(RoomUnavailable, match="says the room itself"):
        await a.tell("shop", "b", "fail", "call")
    for what in ("exit", "panic"):
        with pytest.raises(RemoteError, match="HookExited"):
            await a.tell("shop", "b", "fail", what)
    with pytest.raises(RemoteError, match="ValueError: <object object"):
        await a.tell("shop", "b", "fail", "unstorable")
    with pytest.raises(TypeError, match="add"):
        await a.tell("shop", "b", "add")
    assert await a.tell("shop", "b", "add", 1) == 2


@pytest.mark.parametrize(
    ("room", "error"),
    [(5, TypeError), (None, TypeError), ("", ValueError), ("é" * 513, ValueError)],
)
async def test_an_id_that_no_room_has_is_refused(
    rooms: Rooms, room: Any, error: type[Exception]
) -> None:
    """When the stub is asked for."""
    with pytest.raises(error, match="room id"):
        rooms.parties.shop.get(room)


@pytest.mark.parametrize(
    "name", ["hidden", "on_request", "broadcast", "seen", "storage", "nothing"]
)
async def test_only_public_methods_can_be_called(rooms: Rooms, name: str) -> None:
    """Not hooks, what `Room` has, attributes or static methods; the error lists those there are."""
    with pytest.raises(NoSuchMethod, match=f"no public method '{name}'.*add.*note"):
        await rooms.parties.shop.get("a").tell("shop", "b", name)


async def test_private_methods_are_refused_where_they_are_called(rooms: Rooms) -> None:
    """A stub has none."""
    with pytest.raises(AttributeError, match="_private"):
        await rooms.parties.shop.get("a").tell("shop", "b", "_private")


async def test_a_party_that_does_not_exist_is_named(rooms: Rooms) -> None:
    """To a room, and to a program outside."""
    with pytest.raises(NoSuchParty, match="no party 'nope'; deployed: needy, shop, turns"):
        await rooms.parties.shop.get("a").tell("nope", "b", "add", 1)
    with pytest.raises(NoSuchParty, match="no party 'nope'; deployed: needy, shop, turns"):
        await rooms.parties.nope.get("b").add(1)


async def test_what_cannot_travel_is_refused(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments where the call is made, results with a word on them."""
    b = rooms.parties.shop.get("b")
    with pytest.raises(DataCloneError, match="function"):
        b.note(lambda: None)
    with pytest.raises(RemoteError, match="what result returned cannot travel"):
        await b.result("unstorable")
    with pytest.raises(CallTooLarge, match="a result of result of .* the most is"):
        await b.result("large")
    with pytest.raises(CallTooLarge, match="arguments of .* the most is"):
        b.note("x" * calls_module.CALL_BYTES_MAX)
    assert await b.add(1) == 2


async def test_a_request_to_another_room(rooms: Rooms) -> None:
    """It is `on_request`'s, and its response comes back whole."""
    status, body, seen = await rooms.parties.shop.get("a").fetch_from("b c", "/x/y?q=1", "ü")
    assert (status, seen) == (201, "1")
    assert body.decode() == "POST http://parlour/parties/shop/b%20c/x/y?q=1 /x/y ü"
    response = await rooms.parties.shop.get("b").fetch("/raise")
    assert response.status == 500
    assert b"secret" not in response.body


async def test_an_answer_comes_whole_or_not_at_all(rooms: Rooms) -> None:
    """Also one that is streamed, up to what a call may bring."""
    b = rooms.parties.shop.get("b")
    assert (await b.fetch("/streamed")).body == b"piece 0 piece 1 piece 2 "
    for path in ("/endless", "/large"):
        with pytest.raises(CallTooLarge, match="the room's answer is over"):
            await b.fetch(path)
    assert await b.add(1) == 2


async def test_a_chain_that_would_wait_for_itself_is_refused_at_once(
    rooms: Rooms, caplog: pytest.LogCaptureFixture
) -> None:
    """The error names the chain, wherever it is caught; also through requests and tasks."""
    a = rooms.parties.shop.get("a")
    assert await a.chain("b", "c", "d") == "a b c d"
    for others, named in (
        (("a",), "shop/a -> shop/a"),
        (("b", "a"), "shop/a -> shop/b -> shop/a"),
        (("b", "c", "d", "b"), "shop/b -> shop/c -> shop/d -> shop/b"),
    ):
        with pytest.raises(DeadlockError, match=named):
            await a.chain(*others)
    with pytest.raises(DeadlockError, match="shop/a -> shop/b -> shop/a"):
        await a.chain_in_task("b")
    assert await a.status_of("b", "/back?to=a") == 500
    assert "shop/a -> shop/b -> shop/a" in caplog.text
    assert await a.status_of("b", "/back?to=c") == 200


async def test_a_room_that_starts_cannot_call_who_waits_for_it(
    rooms: Rooms, caplog: pytest.LogCaptureFixture
) -> None:
    """Its on_start is part of the chain of those that have woken it."""
    assert await rooms.parties.needy.get("n").friend() == "a"
    with pytest.raises(RoomUnavailable, match="on_start raised"):
        await rooms.parties.shop.get("a").tell("needy", "m", "friend")
    assert "shop/a -> needy/m -> shop/a" in caplog.text
    assert await rooms.parties.shop.get("b").tell("needy", "m", "friend") == "a"


async def test_calls_are_shown_to_operators_who_follow(stage: Stage, rooms: Rooms) -> None:
    """By method, or as the request that they are; what they carry only as its size."""
    b = rooms.parties.shop.get("b")
    assert await b.add(1) == 2
    watch = stage.actors[1]._watch
    watch.set(Watching(True))
    await b.add(1, b=2)
    await b.fetch("/x?q=1", method="put", headers={"X-Own": "1"}, body="body")
    batch = watch.take()
    watch.set(Watching(False))
    assert batch is not None
    shown = [(seen.kind, seen.room, seen.who, seen.text) for seen in batch.seen]
    assert shown == [("call", "b", "add", ""), ("call", "b", "PUT /x", "")]
    assert batch.seen[1].size_bytes == 4


async def test_a_room_that_interleaves_may_be_called_by_whom_it_calls(rooms: Rooms) -> None:
    """It waits for nobody; a chain has an end all the same."""
    t = rooms.parties.turns.get("t")
    assert await t.chain("turns:t", "turns:b", "turns:t") == "t t b t"
    with pytest.raises(DeadlockError, match="a chain of calls has at most 32 rooms"):
        await t.chain(*["turns:t"] * 40)


async def test_an_answer_that_does_not_come_in_time(rooms: Rooms) -> None:
    """The caller learns that it may have been done; the room goes on."""
    with pytest.raises(CallTimeout, match=r"did not answer within 0.05 s; .* may have been"):
        await rooms.parties.shop.get("a").tell_soon("b")
    Shop.gate.set()
    assert await rooms.parties.shop.get("b").add(1) == 2


async def test_a_call_leaves_once_earlier_writes_are_durable(stage: Stage, rooms: Rooms) -> None:
    """And its answer once those of the called room are."""
    assert await rooms.parties.shop.get("b").note("awake") == 1
    assert await rooms.parties.shop.get("a").add(1) == 2
    stage.backend.hold()
    call = rooms.parties.shop.get("a").write_and_tell("b")
    await stage.backend.asked.wait()
    assert Shop.seen == ["awake"]  # the flush is under way, and nothing has left
    stage.backend.go_on()
    assert await call == 2
    stage.backend.hold()
    answer = rooms.parties.shop.get("b").note("not durable yet")
    await stage.backend.asked.wait()
    assert not answer.done()
    stage.backend.go_on()
    assert await answer == 3


async def test_a_call_outlives_the_process_of_the_room(stage: Stage, rooms: Rooms) -> None:
    """One that was not done is sent to the next process; nobody is told of it."""
    call = rooms.parties.shop.get("b").hold()
    await until(lambda: Shop.seen == ["held"])
    first = stage.room("b")
    assert first is not None
    first.break_off("a test wants it")
    await until(lambda: Shop.seen == ["held", "held"])
    Shop.gate.set()
    assert await call == "let go"


async def test_a_call_whose_writes_are_durable_is_not_handled_again(
    stage: Stage, rooms: Rooms
) -> None:
    """The caller is told that it was done and that its answer is lost."""
    b = rooms.parties.shop.get("b")
    assert await b.note("awake") == 1
    room = stage.room("b")
    assert room is not None
    room.output.shut()  # what it says from now on is lost with its process
    call = b.note("once")
    await until(lambda: room.owned.durable >= 2)
    room.break_off("a test wants it")
    with pytest.raises(AnswerLost, match="has done what was asked"):
        await call
    assert Shop.seen == ["awake", "once"]
    assert await b.note("again") == 3


async def test_calls_around_a_death_count_once_and_in_order(stage: Stage, rooms: Rooms) -> None:
    """Whatever was handled twice was not durable the first time; lost answers are told."""
    await rooms.parties.shop.get("a").add(1)
    caller, count = stage.room("a"), 200
    assert caller is not None
    stub = caller._room.parties.shop.get("b")
    answers = [stub.note(number) for number in range(count)]
    await until(lambda: len(Shop.seen) > count // 2)
    break_off(stage, "b")
    results = await asyncio.gather(*answers, return_exceptions=True)
    for number, result in enumerate(results):
        assert result == number + 1 or isinstance(result, AnswerLost)
    assert await stub.note("last") == count + 1
    assert list(dict.fromkeys(Shop.seen)) == [*range(count), "last"]


@pytest.mark.parametrize("has_written", [False, True])
async def test_a_caller_that_dies_calls_again(
    stage: Stage, rooms: Rooms, has_written: bool
) -> None:
    """Its event is handled again from its start, and so is the call: at least once.

    Also if something that it wrote before it waited is durable: an event is done when its hook is.
    """
    call = rooms.parties.shop.get("a").write_and_wait("b", has_written)
    await until(lambda: Shop.seen == ["held"])
    break_off(stage, "a")
    Shop.gate.set()
    assert await call == "let go"
    assert Shop.seen == ["held", "held"]


def break_off(stage: Stage, name: str) -> None:
    """The room's process is gone, as far as its gateway can tell."""
    room = stage.room(name)
    assert room is not None
    room.break_off("a test wants it")


async def test_the_gateway_of_the_caller_is_lost(stage: Stage, rooms: Rooms) -> None:
    """The call may have been done; the next one goes by way of the new gateway."""
    holding = asyncio.ensure_future(stage_call(stage, "a", "b"))
    await until(lambda: Shop.seen == ["held"])
    await stage.restart_gateway()
    with pytest.raises(AnswerLost, match="gateway of this node was lost"):
        await holding
    Shop.gate.set()
    async with stage.outside() as again:
        assert await again.parties.shop.get("a").tell("shop", "b", "add", 1) == 2


async def stage_call(stage: Stage, caller: str, callee: str) -> Any:
    """A call that a live room makes in a task of its own, outside of its hooks."""
    async with stage.outside() as rooms:
        await rooms.parties.shop.get(caller).add(1)
    room = stage.room(caller)
    assert room is not None
    return await room._room.parties.shop.get(callee).hold()


async def test_a_room_that_waits_for_an_answer_is_not_idle(stage: Stage) -> None:
    """It would not be there for it. When it leaves all the same, what waits fails."""
    holding = asyncio.ensure_future(stage_call(stage, "a", "b"))
    await until(lambda: Shop.seen == ["held"])
    room = stage.room("a")
    assert room is not None
    assert not room.idle
    room.leave("hibernate")
    assert stage.room("a") is room
    room.leave("deploy")
    with pytest.raises(CallError, match="has left its process"):
        await holding
    Shop.gate.set()
