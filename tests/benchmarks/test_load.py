"""The load generator counts what is right and refuses what is wrong."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

ROOT = Path(__file__).parents[2]
Answer = Callable[[web.WebSocketResponse, str, set[web.WebSocketResponse]], Awaitable[None]]


async def echo(sender: web.WebSocketResponse, text: str, _: set[web.WebSocketResponse]) -> None:
    """What the echo work asks for."""
    await sender.send_str(text)


async def broadcast(_: web.WebSocketResponse, text: str, room: set[web.WebSocketResponse]) -> None:
    """What the fan-out work asks for."""
    for receiver in list(room):
        await receiver.send_str(text)


async def skip_one(
    sender: web.WebSocketResponse, text: str, room: set[web.WebSocketResponse]
) -> None:
    """A broadcast that loses every hundredth message for one of the receivers."""
    lost = int(text[:16], 16) % 100 == 0
    for receiver in list(room):
        if not lost or receiver is sender:
            await receiver.send_str(text)


async def answer_wrongly(
    sender: web.WebSocketResponse, text: str, _: set[web.WebSocketResponse]
) -> None:
    """An echo with one wrong letter at its end."""
    await sender.send_str(text[:-1] + "y")


async def hang_up(sender: web.WebSocketResponse, _: str, _room: set[web.WebSocketResponse]) -> None:
    """A room that closes the connection."""
    await sender.close(code=1011, message=b"broken")


@pytest.fixture
async def served() -> AsyncIterator[Callable[[Answer], Awaitable[str]]]:
    """Serves rooms that answer as told, by URL."""
    runners: list[web.AppRunner] = []

    async def serve(answer: Answer) -> str:
        rooms: dict[str, set[web.WebSocketResponse]] = {}

        async def handle(request: web.Request) -> web.WebSocketResponse:
            room = rooms.setdefault(request.path, set())
            response = web.WebSocketResponse()
            await response.prepare(request)
            room.add(response)
            async for message in response:
                if message.type is WSMsgType.TEXT:
                    await answer(response, message.data, room)
            room.discard(response)
            return response

        app = web.Application()
        app.router.add_get("/{room}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/{{room}}"

    yield serve
    for runner in runners:
        await runner.cleanup()


async def load(work: str, url: str, *options: str) -> tuple[int, bytes, bytes]:
    """Run the load generator for a moment: status, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load", work, "--url", url),
        *("--seconds", "0.3", "--warmup", "0.1", *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out, errors


@pytest.mark.parametrize("size", ["64", "1024", "70000"])
async def test_echo_counts_answers(served: Callable[[Answer], Awaitable[str]], size: str) -> None:
    """Messages of every frame length come back, over several rooms, and are counted."""
    url = await served(echo)

    status, out, errors = await load("echo", url, "--sockets", "5", "--rooms", "2", "--size", size)

    assert (status, errors) == (0, b"")
    result = json.loads(out)
    assert result["answers"] > 5
    assert result["per_second"] == pytest.approx(result["answers"] / result["seconds"])
    assert 0 < result["p50_us"] <= result["p99_us"] <= result["max_us"]


@pytest.mark.parametrize("window", ["1", "4"])
async def test_fan_out_counts_deliveries(
    served: Callable[[Answer], Awaitable[str]], window: str
) -> None:
    """Each message is counted once per receiver, the sender included."""
    url = await served(broadcast)

    status, out, errors = await load("fanout", url, "--sockets", "7", "--window", window)

    assert (status, errors) == (0, b"")
    assert json.loads(out)["answers"] > 7


@pytest.mark.parametrize(
    ("work", "answer", "complaint"),
    [
        ("echo", answer_wrongly, b"the answer was"),
        ("echo", hang_up, b"closed a connection: 1011 broken"),
        ("fanout", skip_one, b"is due"),
    ],
)
async def test_a_wrong_answer_ends_the_run(
    served: Callable[[Answer], Awaitable[str]], work: str, answer: Answer, complaint: bytes
) -> None:
    """No figures come from a server that does not do the work; the sentence says what it did."""
    url = await served(answer)

    status, out, errors = await load(work, url, "--sockets", "3", "--window", "4")

    assert (status, out) == (1, b"")
    assert complaint in errors


async def test_a_refused_handshake_is_told(served: Callable[[Answer], Awaitable[str]]) -> None:
    """A wrong path is an error with the server's status, not a figure of zero."""
    url = await served(echo)

    status, out, errors = await load("echo", url.replace("{room}", "no/such/{room}"))

    assert (status, out) == (1, b"")
    assert b"404" in errors
