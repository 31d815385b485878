"""A command as the only writer of a room that hibernates, for a moment.

Guarantees. It takes the room's claim as a room actor does: the epoch grows by one, every flush is
fenced by it, and a lease proves meanwhile that the command is alive, so that a room that wants to
wake waits. A claim with a live lease is never taken. The claim is given back at the end; should
the command die, it is free when the lease has run out.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..actors.lease import Lease
from ..actors.messages import RoomKey
from ..storage import Backend, Claim, ClaimHeld, OwnedStorage
from .rooms_server import NotDone, RoomsServer

# No room actor and no gateway is reached here: whoever is told it has to ask again.
NO_ADDRESS = ""


@asynccontextmanager
async def sole_writer(
    server: RoomsServer, key: RoomKey
) -> AsyncIterator[tuple[OwnedStorage, Claim]]:
    """Claim a room; what is written to its storage is durable when the `async with` has ended.

    Raises:
        NotDone: If the room is live.
        NotOwner: At the end, if the lease ran out and the room has woken since.
    """
    owner = f"command-{uuid.uuid4().hex}"
    # A lease that is lost needs no answer: the epoch fences what is written after it.
    lease = Lease(server.url, owner, NO_ADDRESS, on_lost=lambda: None)
    await asyncio.to_thread(lease.start)
    try:
        backend = server.backend
        claim = await claimed(backend, key, owner)
        storage = OwnedStorage(backend, claim)
        try:
            yield storage, claim
            await storage.close()
        finally:
            storage.abandon()
            await backend.release(key.space, owner=claim.owner, epoch=claim.epoch)
    finally:
        await asyncio.to_thread(lease.stop)


async def claimed(backend: Backend, key: RoomKey, owner: str) -> Claim:
    """Claim a room that nobody has, or whose owner has lost his lease.

    Raises:
        NotDone: If it is live, or another has claimed it first.
    """
    takeover_epoch = None
    for _ in range(2):
        try:
            return await backend.claim(
                key.space, owner=owner, address=NO_ADDRESS, takeover_epoch=takeover_epoch
            )
        except ClaimHeld as held:
            if await backend.lease_alive(held.owner):
                break
            takeover_epoch = held.epoch
    raise NotDone(
        f"{key} is live, and only its room actor may write to it; hibernate the room first "
        "(it does so by itself when it has been idle for its hibernate_after), then try again"
    )
