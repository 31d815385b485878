"""Who runs edge hooks: threads for `def`, the event loop for `async def`, each call for a time.

A hook that blocks or hangs holds one of `THREADS_MAX` places until it returns, and its own client;
when no place is left, nothing waits in a queue: whoever asks is told so at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import math
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from .hooks import HookExited, call_hook

THREADS_MAX = 32
COROUTINES_MAX = 2000  # `async def` hooks that are under way at once


class Busy(Exception):
    """No place is left for another hook."""


class TookTooLong(Exception):
    """A hook that was given up."""


class Hands:
    """Runs hooks."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS_MAX, "edge hook")
        self._in_threads = 0
        self._in_loop = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"<Hands {self._in_threads} in threads, {self._in_loop} in the loop>"

    async def call(self, hook: Callable[..., Any], *args: object, within_s: float) -> Any:
        """Call a hook that may be `def` or `async def`.

        One in a thread cannot be cancelled: past its time it goes on, and keeps its place.

        Raises:
            Busy: If no place is left.
            TookTooLong: If it takes longer than `within_s`.
            Exception: What it raised, or HookExited for what is no Exception.
        """
        give_up_s = asyncio.get_running_loop().time() + within_s
        if inspect.iscoroutinefunction(hook):
            return await self.run(call_hook(hook, *args), lambda: give_up_s)
        return await self._until(self._call_in_thread(hook, args), lambda: give_up_s)

    async def run(self, work: Coroutine[Any, Any, Any], give_up_s: Callable[[], float]) -> Any:
        """Run a coroutine in the event loop, until the time on its clock that it is given now.

        Raises:
            Busy, TookTooLong, Exception: As `call`.
        """
        if self._in_loop >= COROUTINES_MAX:
            work.close()
            raise Busy
        return await self._until(self._run_in_loop(work), give_up_s)

    def close(self) -> None:
        """Begin nothing more; what hangs in a thread is left to the end of the process."""
        for task in self._tasks:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _until(self, work: Coroutine[Any, Any, Any], give_up_s: Callable[[], float]) -> Any:
        loop = asyncio.get_running_loop()
        task = loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        try:
            while not task.done() and (left_s := give_up_s() - loop.time()) > 0:
                # Not asyncio.timeout: that would wait for a hook that goes on when cancelled.
                await asyncio.wait([task], timeout=None if left_s == math.inf else left_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            return task.result()
        task.cancel()
        raise TookTooLong

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # has been seen, also of one that was given up

    async def _run_in_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        self._in_loop += 1
        try:
            return await call_hook(lambda: work)
        finally:
            self._in_loop -= 1

    async def _call_in_thread(self, hook: Callable[..., Any], args: tuple[object, ...]) -> Any:
        if self._in_threads >= THREADS_MAX:
            raise Busy
        self._in_threads += 1
        call = partial(contextvars.copy_context().run, _call, hook, args)
        future = asyncio.get_running_loop().run_in_executor(self._threads, call)
        future.add_done_callback(self._thread_is_free)
        result, error = await asyncio.shield(future)
        if error is not None:
            raise error
        return await call_hook(lambda: result) if inspect.isawaitable(result) else result

    def _thread_is_free(self, future: asyncio.Future[Any]) -> None:
        self._in_threads -= 1


def _call(hook: Callable[..., Any], args: tuple[object, ...]) -> tuple[Any, Exception | None]:
    # What it raises is a value here: a future can carry neither StopIteration nor SystemExit.
    try:
        return hook(*args), None
    except StopIteration as error:
        return None, RuntimeError(f"the hook raised {error!r}")
    except Exception as error:
        return None, error
    except BaseException as error:
        problem = HookExited(error)
        problem.__cause__ = error
        return None, problem
