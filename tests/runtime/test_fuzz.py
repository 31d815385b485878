"""Mutated requests and conversations by the thousand: no crash, no hang, bounded memory, and a
client that does everything right notices nothing.

`make fuzz` sends 100,000; PARLOUR_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random

import pytest
from parlour.actors.room_actor import resident_bytes

from ..support.request_mutations import conversations, mutated, requests
from .raw_client import RawClient, raw_client
from .whole_node import PATH, WholeNode, bystander
from .whole_node import whole as whole

COUNT = int(os.environ.get("PARLOUR_FUZZ", "1500"))
AT_ONCE = 32
LOOK_S = 0.02  # for an answer; then the client has no more to say
HANG_S = 20.0  # for the end of a connection whose client has left it: nothing waits that long
GROWTH_BYTES_MAX = 64 * 1024 * 1024
TALK_EVERY = 100


async def send(whole: WholeNode, data: bytes, *, opened: bool) -> None:
    """Say it on a connection of its own, look at what comes, and wait for the end."""
    async with raw_client(whole.port) as client:
        if opened:
            await client.open(PATH)
        client.send(data)
        try:
            async with asyncio.timeout(LOOK_S):
                await client.reader.read(1 << 16)
        except TimeoutError:
            pass
        except ConnectionError:
            return
        await end(client, data)


async def end(client: RawClient, data: bytes) -> None:
    """Shut this side, and see the other end it."""
    try:
        async with asyncio.timeout(HANG_S):
            if not client.writer.transport.is_closing():
                client.writer.write_eof()
            while await client.reader.read(1 << 16):
                pass
    except TimeoutError:
        pytest.fail(f"the connection was not ended after {data[:2000]!r}")
    except OSError:
        pass  # it was cut, which ends it as well


@pytest.mark.timeout(3600)
async def test_nothing_that_clients_send_breaks_anything(whole: WholeNode, seed: str) -> None:
    """Nobody hangs, nobody else notices, nothing is complained about, and nothing is kept."""
    chance = random.Random(seed)
    http, talk = requests(PATH), conversations()
    left = iter(range(COUNT))
    one_at_a_time = asyncio.Lock()

    async with bystander(whole.port) as other, bystander(whole.port) as another:

        async def take_part() -> None:
            for number in left:
                opened = number % 4 == 0
                await send(whole, mutated(chance, talk if opened else http), opened=opened)
                if number % TALK_EVERY == 0:
                    async with one_at_a_time:
                        await other.talk()
                        await another.talk()

        for data in http:  # whatever is made once is made
            await send(whole, data, opened=False)
        before_bytes = resident_bytes()
        async with asyncio.TaskGroup() as crowd:
            for _ in range(AT_ONCE):
                crowd.create_task(take_part())
        async with asyncio.timeout(HANG_S):
            while whole.sockets > 2:  # noqa: ASYNC110  # a number of the gateway, without an event
                await asyncio.sleep(0.01)
    gc.collect()

    assert resident_bytes() - before_bytes < GROWTH_BYTES_MAX
