"""Failures at random: processes killed and stopped, the rooms' server killed and stopped."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable

from parlour.storage.embedded import EmbeddedServer

from ..support.killing import kill_9
from ..support.processes import (
    CONTROLLER,
    GATEWAY,
    MANAGER,
    ROOM_ACTOR,
    Process,
    descendants,
    read_process,
)
from ..support.running import RunningParlour

PAUSE_S = (0.3, 6.0)  # a lease lasts 3 s
SERVER_DOWN_S = (0.0, 5.0)
BETWEEN_S = (0.2, 4.0)


class Injector:
    """Breaks one Parlour and its server, at random and by a seed; `run` leaves everything healed.

    `weights` says how often which failure is chosen: the names are those of the methods.
    """

    def __init__(
        self,
        parlour: RunningParlour,
        server: EmbeddedServer,
        seed: str,
        weights: dict[str, int],
        say: Callable[[str], None],
    ) -> None:
        self.counts: dict[str, int] = {}
        self._parlour = parlour
        self._server = server
        self._dice = random.Random(seed)
        self._weights = weights
        self._say = say
        self._started_s = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: set[Process] = set()
        self._server_busy = asyncio.Lock()

    async def run(self, duration_s: float) -> None:
        """Break things for a while, then mend what can be mended from outside."""
        until_s = time.monotonic() + duration_s
        try:
            while time.monotonic() < until_s:
                await asyncio.sleep(self._dice.uniform(*BETWEEN_S))
                (name,) = self._dice.choices(list(self._weights), list(self._weights.values()))
                self._start(name)
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for process in self._stopped:
                process.send(signal.SIGCONT)
            for task in self._tasks:
                task.cancel()
            if self._server.pid is not None:
                self._signal_server(signal.SIGCONT)

    def _start(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
        task = asyncio.get_running_loop().create_task(getattr(self, name)())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.result()  # a failure that could not be made is a failure of the test

    def _tell(self, what: str) -> None:
        self._say(f"{time.monotonic() - self._started_s:7.2f} s  {what}")

    # Failures

    async def kill_room_actor(self) -> None:
        """`kill -9` of one, with a room or without."""
        self._kill(ROOM_ACTOR)

    async def kill_all_room_actors(self) -> None:
        """`kill -9` of all of them at once."""
        for process in descendants(self._parlour.session, ROOM_ACTOR):
            process.send(signal.SIGKILL)
        self._tell("killed every room actor")

    async def kill_manager(self) -> None:
        """`kill -9` of the hibernation manager."""
        self._kill(MANAGER)

    async def kill_gateway(self) -> None:
        """`kill -9` of the gateway: every client has to connect again."""
        self._kill(GATEWAY)

    async def kill_controller(self) -> None:
        """`kill -9` of what starts manager and gateway."""
        self._kill(CONTROLLER)

    async def pause_room_actor(self) -> None:
        """SIGSTOP for a while, past the lease or not."""
        await self._pause(ROOM_ACTOR)

    async def pause_manager(self) -> None:
        """SIGSTOP of the hibernation manager for a while."""
        await self._pause(MANAGER)

    async def pause_gateway(self) -> None:
        """SIGSTOP of the gateway for a while."""
        await self._pause(GATEWAY)

    async def kill_server(self) -> None:
        """`kill -9` of the rooms' server, and a start on the same data some time later."""
        async with self._server_busy:
            down_s = self._dice.uniform(*SERVER_DOWN_S)
            self._tell(f"killed the server for {down_s:.2f} s")
            await asyncio.to_thread(kill_9, self._server)
            try:
                await asyncio.sleep(down_s)
            finally:
                self._server.start()

    async def pause_server(self) -> None:
        """SIGSTOP of the rooms' server for a while."""
        async with self._server_busy:
            paused_s = self._dice.uniform(*SERVER_DOWN_S)
            self._tell(f"paused the server for {paused_s:.2f} s")
            self._signal_server(signal.SIGSTOP)
            try:
                await asyncio.sleep(paused_s)
            finally:
                self._signal_server(signal.SIGCONT)

    # Ways

    def _kill(self, name: str) -> None:
        process = self._choose(name)
        if process is not None and process.send(signal.SIGKILL):
            self._tell(f"killed {process.name} {process.pid}")

    async def _pause(self, name: str) -> None:
        process = self._choose(name)
        paused_s = self._dice.uniform(*PAUSE_S)
        if process is None or process in self._stopped or not process.send(signal.SIGSTOP):
            return
        self._stopped.add(process)
        self._tell(f"paused {process.name} {process.pid} for {paused_s:.2f} s")
        try:
            await asyncio.sleep(paused_s)
        finally:
            process.send(signal.SIGCONT)
            self._stopped.discard(process)

    def _choose(self, name: str) -> Process | None:
        # Ordered, so that the seed decides as far as it can.
        found = sorted(descendants(self._parlour.session, name))
        return self._dice.choice(found) if found else None

    def _signal_server(self, number: signal.Signals) -> None:
        assert self._server.pid is not None
        process = read_process(self._server.pid)
        if process is not None:
            process.send(number)
