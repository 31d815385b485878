"""Who runs edge hooks: where, how many at once, for how long."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from parlour.actors import edge_hands
from parlour.actors.edge_hands import Busy, Hands, TookTooLong
from parlour.actors.hooks import HookExited

from .staging import until

LONG_S = 30.0


@pytest.fixture
def hands() -> Iterator[Hands]:
    hands = Hands()
    yield hands
    hands.close()


async def test_def_runs_in_a_thread_and_async_def_in_the_loop(hands: Hands) -> None:
    """With the arguments that are given."""

    async def here(number: int) -> tuple[int, int]:
        return number, threading.get_ident()

    def there(number: int) -> tuple[int, int]:
        return number, threading.get_ident()

    own = threading.get_ident()
    assert await hands.call(here, 1, within_s=LONG_S) == (1, own)
    number, thread = await hands.call(there, 2, within_s=LONG_S)
    assert (number, thread == own) == (2, False)


async def test_def_may_return_what_is_to_be_awaited(hands: Hands) -> None:
    """As a wrapped coroutine function does."""

    async def later() -> str:
        return "later"

    assert await hands.call(lambda: later(), within_s=LONG_S) == "later"


async def test_a_thread_has_the_context_of_who_calls(hands: Hands) -> None:
    """As asyncio.to_thread does it."""
    variable = contextvars.ContextVar[str]("variable")
    variable.set("mine")
    assert await hands.call(variable.get, within_s=LONG_S) == "mine"


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (ValueError("v"), ValueError),
        (StopIteration(), RuntimeError),
        (SystemExit(1), HookExited),
        (KeyboardInterrupt(), HookExited),
        (GeneratorExit(), HookExited),
        (BaseExceptionGroup("g", [KeyboardInterrupt()]), HookExited),
    ],
)
async def test_what_a_hook_raises_comes_back(
    hands: Hands, raised: BaseException, seen: type[Exception]
) -> None:
    """In a form that ends no process and no event loop."""

    def there() -> None:
        raise raised

    async def here() -> None:
        raise raised

    for hook in (there, here):
        with pytest.raises(seen):
            await hands.call(hook, within_s=LONG_S)


async def test_one_that_blocks_is_given_up_and_keeps_its_place(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can end a thread; when it returns, its place is free."""
    monkeypatch.setattr(edge_hands, "THREADS_MAX", 1)
    gate = threading.Event()
    with pytest.raises(TookTooLong):
        await hands.call(gate.wait, within_s=0.01)
    with pytest.raises(Busy):
        await hands.call(int, within_s=LONG_S)
    gate.set()
    await until(lambda: "0 in threads" in repr(hands))
    assert await hands.call(int, within_s=LONG_S) == 0


async def test_a_coroutine_that_will_not_end_is_given_up(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cancelled, and not waited for should it go on."""
    monkeypatch.setattr(edge_hands, "COROUTINES_MAX", 1)
    cancelled, gate = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            await gate.wait()

    with pytest.raises(TookTooLong):
        await hands.call(stubborn, within_s=0.01)
    await cancelled.wait()
    with pytest.raises(Busy):
        await hands.call(stubborn, within_s=LONG_S)
    gate.set()
    await until(lambda: "0 in the loop" in repr(hands))


async def test_one_that_nobody_waits_for_is_cancelled(hands: Hands) -> None:
    """Its client has left."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hook() -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    call = asyncio.create_task(hands.call(hook, within_s=LONG_S))
    await begun.wait()
    call.cancel()
    await ended.wait()
