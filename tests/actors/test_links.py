"""Links to many addresses: one to each, as long as it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.link import Link, listen
from parlour.actors.links import Links

from .linked import GATEWAY, Inbox
from .staging import until


class Stage:
    """Links, and whom they lead to."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "there.sock")
        self.accepted: list[Link] = []
        self.lost: list[Link] = []
        self.inbox = Inbox()
        self.links = Links(GATEWAY, self.inbox.on_frame, self.lost.append)
        self._server: asyncio.AbstractServer | None = None

    async def listen(self) -> None:
        self._server = await listen(
            self.address,
            self.inbox.on_frame,
            self.inbox.on_lost,
            on_hello=lambda link, _: self.accepted.append(link),
        )

    def close(self) -> None:
        self.links.close()
        if self._server is not None:
            self._server.close()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Somebody who does not listen yet."""
    stage = Stage(tmp_path)
    yield stage
    stage.close()


async def test_who_asks_at_once_gets_the_same_link(stage: Stage) -> None:
    """Also while it is being opened, and later."""
    await stage.listen()
    first, second = await asyncio.gather(
        stage.links.to(stage.address), stage.links.to(stage.address)
    )
    assert first is second is await stage.links.to(stage.address)
    await until(lambda: len(stage.accepted) == 1)


async def test_a_link_that_was_lost_is_opened_again(stage: Stage) -> None:
    """By who asks next; its owner has been told."""
    await stage.listen()
    first = await stage.links.to(stage.address)
    await until(lambda: bool(stage.accepted))
    stage.accepted[0].abort()
    await until(lambda: stage.lost == [first])
    assert len(stage.links) == 0
    again = await stage.links.to(stage.address)
    assert again is not first
    assert not again.lost


async def test_nothing_is_kept_of_who_cannot_be_reached(stage: Stage) -> None:
    """Each who waited is told; the next one tries anew."""
    asked = [stage.links.to(stage.address) for _ in range(2)]
    failed = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(error, OSError) for error in failed)
    await until(lambda: len(stage.links) == 0)
    await stage.listen()
    await stage.links.to(stage.address)


async def test_who_gives_up_waiting_takes_the_link_from_nobody(stage: Stage) -> None:
    """The others wait on."""
    await stage.listen()
    impatient, patient = (asyncio.ensure_future(stage.links.to(stage.address)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert not (await patient).lost


async def test_closing_ends_every_link(stage: Stage) -> None:
    """And those that are being opened."""
    await stage.listen()
    await stage.links.to(stage.address)
    await until(lambda: bool(stage.accepted))
    opening = asyncio.ensure_future(stage.links.to(stage.address + "2"))
    await asyncio.sleep(0)
    stage.links.close()
    await until(lambda: stage.accepted[0].lost)
    with pytest.raises((asyncio.CancelledError, OSError)):
        await opening
