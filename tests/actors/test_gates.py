"""The output gate: nothing leaves before the writes made earlier are durable."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.frames import Kind, pack
from parlour.actors.gates import HELD_BYTES_MAX, OutputGate

from .linked import LinkPair, link_pair


class Writes:
    """What a gate sees of a storage: writes are numbered flushes that become durable later."""

    def __init__(self) -> None:
        self.gate = 0
        self.durable = 0


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[LinkPair]:
    """The link that frames leave by."""
    pair = await link_pair(tmp_path)
    yield pair
    pair.close()


@pytest.fixture
def writes() -> Writes:
    """A storage with nothing written."""
    return Writes()


def frame(number: int) -> bytes:
    """A frame that is told from others by its number."""
    return pack(Kind.SEND_TEXT, 0, number)


async def arrived(pair: LinkPair) -> list[int]:
    """The numbers of the frames that have left until now."""
    pair.near.write(pack(Kind.EXIT))
    return [frame.number for frame in (await pair.far_inbox.take_until(Kind.EXIT))[:-1]]


async def test_a_frame_leaves_at_once_when_nothing_is_to_be_stored(
    pair: LinkPair, writes: Writes
) -> None:
    """A room that writes nothing waits for nothing."""
    gate = OutputGate(writes)
    gate.send(pair.near, frame(1))
    assert await arrived(pair) == [1]
    assert gate.held_bytes == 0


async def test_a_frame_waits_for_the_write_before_it(pair: LinkPair, writes: Writes) -> None:
    """Also when someone looks in between without any progress."""
    gate = OutputGate(writes)
    writes.gate = 1
    gate.send(pair.near, frame(1))
    gate.release()
    assert await arrived(pair) == []
    writes.durable = 1
    gate.release()
    assert await arrived(pair) == [1]


async def test_a_frame_does_not_wait_for_a_write_after_it(pair: LinkPair, writes: Writes) -> None:
    """Each frame waits for the writes made before its own send."""
    gate = OutputGate(writes)
    writes.gate = 1
    gate.send(pair.near, frame(1))
    writes.gate = 2
    gate.send(pair.near, frame(2))
    writes.durable = 1
    gate.release()
    assert await arrived(pair) == [1]


async def test_a_frame_never_overtakes_one_that_waits(pair: LinkPair, writes: Writes) -> None:
    """Even if all is durable by now and nobody has released what waits yet."""
    gate = OutputGate(writes)
    writes.gate = 1
    gate.send(pair.near, frame(1))
    writes.durable = 1
    gate.send(pair.near, frame(2))
    gate.release()
    assert await arrived(pair) == [1, 2]


async def test_after_a_reset_nothing_leaves_any_more(pair: LinkPair, writes: Writes) -> None:
    """Neither what waited nor what is sent later, whatever becomes durable."""
    gate = OutputGate(writes)
    writes.gate = 1
    gate.send(pair.near, frame(1))
    gate.shut()
    assert gate.held_bytes == 0
    writes.durable = 1
    gate.release()
    gate.send(pair.near, frame(2))
    gate.release()
    assert await arrived(pair) == []


async def test_the_gate_knows_when_too_much_waits(pair: LinkPair, writes: Writes) -> None:
    """Full past the limit, not at it, and not any more once it has left."""
    gate = OutputGate(writes)
    writes.gate = 1
    head_bytes = len(pack(Kind.SEND_BINARY))
    gate.send(pair.near, pack(Kind.SEND_BINARY, payload=bytes(HELD_BYTES_MAX - head_bytes)))
    assert not gate.full
    gate.send(pair.near, frame(1))
    assert gate.full
    writes.durable = 1
    gate.release()
    assert not gate.full


@pytest.mark.parametrize("seed", range(20))
async def test_any_history_leaves_in_order_and_never_early(
    pair: LinkPair, writes: Writes, seed: int
) -> None:
    """Random writes, sends and flushes: the frames out are a prefix of those sent, all durable."""
    chance = random.Random(seed)
    gate = OutputGate(writes)
    needed: list[int] = []  # by frame number: the flush that must be durable
    out: list[int] = []
    for _ in range(200):
        step = chance.choice(["write", "send", "flush"])
        if step == "write":
            writes.gate += 1
        elif step == "send":
            gate.send(pair.near, frame(len(needed)))
            needed.append(writes.gate)
        elif writes.durable < writes.gate:
            writes.durable += 1
            gate.release()
            out += await arrived(pair)
            assert all(needed[number] <= writes.durable for number in out)
    writes.durable = writes.gate
    gate.release()
    out += await arrived(pair)
    assert out == list(range(len(needed)))
