"""Visits take what is right for an answer, refuse what is wrong, and wait for every room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import WSMsgType, web

from benchmarks.bench_density import Figure
from benchmarks.bench_wake import CASES, Outcome, Run, ratio
from benchmarks.client import BadAnswer
from benchmarks.visits import Answer, Protocol, say_again, visit_all

Serve = Callable[[int], Awaitable[str]]


@pytest.fixture
async def served() -> AsyncIterator[Serve]:
    """Serves rooms that count, and open once so many clients have asked; by URL."""
    runners: list[web.AppRunner] = []

    async def serve(clients: int = 1) -> str:
        counts: dict[str, int] = {}
        together = asyncio.Event()

        def counted(path: str) -> str:
            counts[path] = counts.get(path, 0) + 1
            return f"{counts[path]} of {counts[path] + 10}"

        async def handle(request: web.Request) -> web.StreamResponse:
            nonlocal clients
            clients -= 1
            if clients <= 0:
                together.set()
            await together.wait()
            if "Upgrade" not in request.headers:
                return web.Response(text=counted(request.path))
            response = web.WebSocketResponse()
            await response.prepare(request)
            async for message in response:
                if message.type is WSMsgType.TEXT:
                    await response.send_str(counted(request.path))
            return response

        app = web.Application()
        app.router.add_get("/rooms/{room}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield serve
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize("protocol", ["websocket", "http"])
async def test_each_room_is_visited_once(served: Serve, protocol: Protocol) -> None:
    """Every URL gets one message, and its visit knows the answer and how long it took."""
    base = await served(1)
    urls = [f"{base}/rooms/{index}" for index in range(20)]

    visits = await asyncio.to_thread(lambda: visit_all(urls, protocol, at_once=3))

    assert {visit.url for visit in visits} == set(urls)
    assert {visit.answer for visit in visits} == {Answer(handled=1, count=11)}
    assert min(visit.latency_ns for visit in visits) > 0
    for visit in visits:
        visit.close()


async def test_all_come_at_once(served: Serve) -> None:
    """No visit waits for another: the rooms open when all clients are there, and not before."""
    base = await served(50)

    visits = await asyncio.to_thread(
        lambda: visit_all([f"{base}/rooms/{n}" for n in range(50)], "websocket", at_once=50)
    )

    assert len(visits) == 50
    for visit in visits:
        visit.close()


async def test_a_room_can_be_asked_again(served: Serve) -> None:
    """A WebSocket stays open after its visit, for further messages."""
    base = await served(1)
    [visit] = await asyncio.to_thread(
        lambda: visit_all([f"{base}/rooms/a"], "websocket", at_once=1)
    )

    assert await asyncio.to_thread(say_again, visit) == Answer(handled=2, count=12)
    visit.close()


@pytest.mark.parametrize("protocol", ["websocket", "http"])
async def test_a_refusal_fails_the_visit(served: Serve, protocol: Protocol) -> None:
    """A status that is not asked for is an error that shows the answer."""
    base = await served(1)

    with pytest.raises(BadAnswer, match="404"):
        await asyncio.to_thread(lambda: visit_all([f"{base}/none"], protocol, at_once=1))


def test_a_ratio_is_of_what_the_case_compares() -> None:
    """At once by the time of all, one by one by the median; each round against its own."""

    def run(round_number: int, total_ms: float, p50_ms: float) -> Run:
        return Run(round_number, 500, total_ms, p50_ms, p99_ms=9.0, max_ms=9.0, others_cpu=0.0)

    outcome = Outcome(500)
    for case in CASES[:2]:
        outcome.runs[case.name, "parlour"] = [run(1, 100, 3), run(2, 300, 4)]
        outcome.runs[case.name, "workerd"] = [run(1, 200, 2), run(2, 600, 1)]

    assert [ratio(case, outcome) for case in CASES[:2]] == [0.5, (1.5 + 4.0) / 2]


def test_a_figure_says_whether_it_is_as_asked() -> None:
    """Met up to the bound, missed above, and nothing where nothing was asked."""
    lines = [str(Figure("a room", "parlour", 12.0, "kB", most)) for most in (12.0, 11.9, None)]

    assert [line.rpartition(": ")[2] for line in lines[:2]] == ["met", "missed"]
    assert "asked" not in lines[2]
