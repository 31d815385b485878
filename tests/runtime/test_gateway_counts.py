"""What a gateway counts, and tells the manager of its node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.counts import GatewayCounts, GatewayReport
from parlour.actors.frames import Kind, pack_broadcast
from parlour.runtime import gateway as gateway_module

from .gateway_stage import Stage, gateway_stage
from .raw_client import TEXT, frame, raw_client, upgrade


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A gateway that reports all the time."""
    monkeypatch.setattr(gateway_module, "REPORT_INTERVAL_S", 0.001)
    async with gateway_stage(tmp_path) as stage:
        yield stage


async def test_what_clients_do_is_counted_and_reported(stage: Stage) -> None:
    """A broadcast counts for each socket that it goes to; who is refused is counted as well."""
    async with (
        raw_client(stage.port) as one,
        raw_client(stage.port) as two,
        raw_client(stage.port) as nobody,
    ):
        one.send(upgrade())
        channel = await stage.channel()
        first = await stage.actor.event()
        stage.accept(channel, first.number)
        await one.opened()
        second = await stage.let_in(two, channel)
        nobody.send(upgrade("/parties/none/x"))
        await nobody.ended()

        one.send(frame(TEXT, b"hello"), frame(TEXT, b"you"))
        await stage.actor.events(2)
        stage.actor.say(Kind.SEND_TEXT, channel, second.number, payload=b"four")
        stage.actor.say(Kind.BROADCAST_TEXT, channel, payload=pack_broadcast((), b"abc"))
        without = pack_broadcast((first.number, 4711), b"abc")
        stage.actor.say(Kind.BROADCAST_TEXT, channel, payload=without)
        for _ in range(3):
            await two.frame()

        expected = GatewayCounts(
            connects=2,
            requests=0,
            messages_in=2,
            bytes_in=8,
            messages_out=4,
            bytes_out=13,
            refused=1,
            slow_clients=0,
            dropped=0,
        )
        assert stage.gateway.counts == expected
        reported = await stage.manager.report_of(lambda report: report.counts == expected)
        assert reported == GatewayReport(2, expected)


async def test_a_manager_that_is_away_is_told_when_it_is_back(stage: Stage) -> None:
    """The gateway counts on meanwhile."""
    await stage.manager.report_of(lambda _: True)
    stage.manager.close()
    stage.gateway.counts.requests = 7
    await stage.manager.start()
    await stage.manager.report_of(lambda report: report.counts.requests == 7)
