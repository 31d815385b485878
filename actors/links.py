"""Links to many addresses: one to each, opened when it is needed, and again when it was lost."""

from __future__ import annotations

import asyncio
from functools import partial

from .link import Link, OnFrame, OnLost, connect
from .messages import Hello
from .network import Network


class Links:
    """Of one process, which introduces itself as `me` on those that are opened from now on."""

    def __init__(
        self, me: Hello, on_frame: OnFrame, on_lost: OnLost, network: Network | None = None
    ) -> None:
        self.me = me
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._network = network
        self._links: dict[str, asyncio.Task[Link]] = {}

    def __repr__(self) -> str:
        return f"<Links to {len(self._links)}>"

    def __len__(self) -> int:
        return len(self._links)

    async def to(self, address: str) -> Link:
        """The link to an address; who asks meanwhile waits for the same one.

        Raises:
            OSError, ValueError: As `connect`.
        """
        task = self._links.get(address)
        if task is None or (task.done() and task.result().lost):
            opening = connect(address, self.me, self._on_frame, self._lost, network=self._network)
            task = self._links[address] = asyncio.get_running_loop().create_task(opening)
            task.add_done_callback(partial(self._opened, address))
        return await asyncio.shield(task)

    def close(self) -> None:
        """Close every link, and open none that is being opened."""
        for task in self._links.values():
            if not task.cancel() and not task.cancelled() and task.exception() is None:
                task.result().close()

    def _opened(self, address: str, task: asyncio.Task[Link]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and self._links.get(address) is task:
            del self._links[address]

    def _lost(self, link: Link) -> None:
        for address, task in list(self._links.items()):
            opened = task.done() and not task.cancelled() and not task.exception()
            if opened and task.result() is link:
                del self._links[address]
        self._on_lost(link)
