"""Where room actors call a gateway: a room of which it holds clients is awake, and waits for it.

The gateway's id and this address are in the metadata of every room whose clients it holds. Its
lease in Redis tells that it is alive; nothing depends on that but whether a room waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ..actors import messages
from ..actors.frames import Kind, pack
from ..actors.link import Link, listen, listen_to_nodes
from ..actors.messages import NotHeld, RoomKey, Summon
from ..actors.network import Address, Network
from ..actors.repeats import Repeats
from . import sockets_folder
from .directory import Directory

log = logging.getLogger(__name__)

SOCKET_NAME = "gateway.sock"
# Gone before that of any room actor that was lost at the same moment, as one that was renewed a
# second ago lives for two more: a room that wakes as its node is lost waits for no gateway of it.
LEASE_S = 2.0
RENEWAL_S = 0.5


class SummonsDesk:
    """Takes summons for one gateway."""

    def __init__(
        self,
        gateway_id: str,
        network: Network,
        directory: Directory,
        comes: Callable[[RoomKey, str], bool],
    ) -> None:
        """`comes` has the gateway attach to a room at an address; False if it has no client."""
        self._gateway_id = gateway_id
        self._network = network
        self._directory = directory
        self._comes = comes
        self._links: set[Link] = set()
        self._servers: list[asyncio.AbstractServer] = []
        self._keeping: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<SummonsDesk of {self._gateway_id}>"

    async def start(self) -> str:
        """Listen, and keep the lease; returns the address.

        Raises:
            OSError: If it cannot listen, or the folder of the sockets is not its own.
        """
        network = self._network
        sockets_folder.make(network.folder)
        path = f"{network.folder}/{SOCKET_NAME}"
        calls = (self._on_frame, self._links.discard)
        self._servers.append(
            await listen(path, *calls, on_hello=lambda link, _: self._links.add(link))
        )
        server, port = await listen_to_nodes(
            network, *calls, on_hello=lambda link, _: self._links.add(link)
        )
        self._servers.append(server)
        address = str(Address(path, network.host, port))
        self._keeping = asyncio.get_running_loop().create_task(self._keep_lease(address))
        return address

    async def stop(self) -> None:
        """Listen no more, and give the lease back."""
        if self._keeping is not None:
            self._keeping.cancel()
        for server in self._servers:
            server.close()
        for link in list(self._links):
            link.close()
        try:
            await self._directory.end_lease(self._gateway_id)
        except OSError as error:
            log.info("the gateway's lease is left to run out: %s", error)

    async def _keep_lease(self, address: str) -> None:
        repeats = Repeats()
        while True:
            try:
                await self._directory.renew_lease(self._gateway_id, address, LEASE_S)
            except OSError as error:
                added = repeats.failed()
                if added is not None:
                    log.warning("the gateway's lease could not be renewed: %s%s", error, added)
            else:
                repeats.succeeded()
            await asyncio.sleep(RENEWAL_S)

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind != Kind.SUMMON:
            return
        summon = messages.decode(payload, Summon)
        # The process that had this address before may be meant.
        is_me = summon.gateway_id == self._gateway_id
        if not is_me or not self._comes(summon.key, summon.address):
            answer = NotHeld(summon.key, summon.gateway_id)
            link.write(pack(Kind.NOT_HELD, payload=messages.encode(answer)))
