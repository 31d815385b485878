"""The mailbox: in order, one at a time, bounded."""

from __future__ import annotations

import asyncio

import pytest
from parlour.actors import mailbox
from parlour.actors.attachment import Attachment
from parlour.actors.frames import Kind
from parlour.actors.link import Link
from parlour.actors.mailbox import Event, Mailbox, MailboxFull


def ignore(*_: object) -> None:
    """A frame or a loss that nobody looks at."""


@pytest.fixture
async def attachment() -> Attachment:
    """Where the events come from."""
    return Attachment(Link(ignore, ignore), 1, "g1", 0)


def event(attachment: Attachment, sequence: int) -> Event:
    """An event that is told from others by its number."""
    return Event(Kind.TEXT, attachment, 1, sequence, b"")


async def test_events_are_taken_in_the_order_they_came(attachment: Attachment) -> None:
    """First in, first out, then nothing."""
    box = Mailbox()
    for number in range(3):
        box.put(event(attachment, number))
    assert len(box) == 3
    assert [taken.sequence for _ in range(3) if (taken := box.take())] == [0, 1, 2]
    assert box.take() is None
    assert len(box) == 0


async def test_waiting_ends_at_once_when_an_event_is_there(attachment: Attachment) -> None:
    """Nothing is waited for that has come already."""
    box = Mailbox()
    box.put(event(attachment, 1))
    waiting = box.wait()
    with pytest.raises(StopIteration):
        waiting.send(None)


async def test_waiting_ends_with_the_next_event(attachment: Attachment) -> None:
    """And the event is there to be taken."""
    box = Mailbox()
    waiting = asyncio.ensure_future(box.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.put(event(attachment, 1))
    box.put(event(attachment, 2))
    await waiting
    assert len(box) == 2


async def test_wake_ends_the_waiting_without_an_event() -> None:
    """Twice in one turn is as good as once."""
    box = Mailbox()
    waiting = asyncio.ensure_future(box.wait())
    await asyncio.sleep(0)
    box.wake()
    box.wake()
    await waiting
    assert box.take() is None


async def test_wake_before_anybody_waits_is_not_kept() -> None:
    """Who wakes has said why elsewhere; a later wait waits for what comes later."""
    box = Mailbox()
    box.wake()
    waiting = asyncio.ensure_future(box.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.wake()
    await waiting


async def test_waiting_that_was_cancelled_can_begin_anew(attachment: Attachment) -> None:
    """No event is lost to a taker that went away."""
    box = Mailbox()
    waiting = asyncio.ensure_future(box.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    box.put(event(attachment, 1))
    await box.wait()
    assert box.take() == event(attachment, 1)


async def test_a_full_mailbox_refuses_the_next_event(
    attachment: Attachment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is the most; what is taken makes room again."""
    monkeypatch.setattr(mailbox, "EVENTS_MAX", 2)
    box = Mailbox()
    box.put(event(attachment, 1))
    box.put(event(attachment, 2))
    with pytest.raises(MailboxFull, match="2 events"):
        box.put(event(attachment, 3))
    assert len(box) == 2
    box.take()
    box.put(event(attachment, 3))
