"""Nodes of a cluster on this machine: folders of their own, TCP over loopback between them."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Self

from parlour.actors.frames import FrameReader, Kind, pack
from parlour.actors.link import Link, connect, listen_to_nodes
from parlour.actors.link_handshake import Handshake
from parlour.actors.messages import Hello, encode
from parlour.actors.network import Address, Network, TlsFiles

from .linked import GATEWAY, TIMEOUT_S, Inbox, LinkPair

SECRET = b"the secret of these nodes"
HELLO = pack(Kind.HELLO, payload=encode(GATEWAY))


def node(
    name: str, secret: bytes = SECRET, tls: TlsFiles | None = None, parent: Path | None = None
) -> Network:
    """A node; `parent` is where its folder is, for tests that listen in it."""
    folder = parent / name if parent is not None else Path(f"/nowhere/{name}")
    if parent is not None:
        folder.mkdir(exist_ok=True)
    return Network(str(folder), "127.0.0.1", secret, tls)


class Listener:
    """A process of a node that accepts links of other nodes."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.inbox = Inbox()
        self.met: asyncio.Queue[Link] = asyncio.Queue(10)
        self.port = 0
        self._server: asyncio.AbstractServer | None = None

    @property
    def address(self) -> str:
        """As processes of other nodes know it."""
        return str(Address(f"{self.network.folder}/a.sock", self.network.host, self.port))

    async def __aenter__(self) -> Self:
        self._server, self.port = await listen_to_nodes(
            self.network, self.inbox.on_frame, self.inbox.on_lost, on_hello=self._on_hello
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()

    def _on_hello(self, link: Link, hello: Hello) -> None:
        assert hello == GATEWAY
        self.met.put_nowait(link)

    @property
    def heard_nothing(self) -> bool:
        """Whether nothing of any peer was handed on, not even that it was lost."""
        return self.met.empty() and not self.inbox.left() and not self.inbox.times_lost


async def pair_between_nodes(here: Network, there: Network) -> LinkPair:
    """Two ends of one link over TCP."""
    far = Listener(there)
    await far.__aenter__()
    near_inbox = Inbox()
    near = await connect(
        far.address, GATEWAY, near_inbox.on_frame, near_inbox.on_lost, network=here
    )
    async with asyncio.timeout(TIMEOUT_S):
        accepted = await far.met.get()
    assert far._server is not None
    return LinkPair(near, near_inbox, accepted, far.inbox, far._server)


class Intruder:
    """A plain TCP peer that says what a test wants it to; `async with` connects it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._heard: list[tuple[int, bytes]] = []
        self._frames = FrameReader(lambda kind, *rest: self._heard.append((kind, rest[-1])))
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._writer.transport.abort()

    def say(self, data: bytes) -> None:
        """In one write."""
        self._writer.write(data)

    async def heard(self) -> tuple[int, bytes]:
        """Kind and payload of the next frame."""
        async with asyncio.timeout(TIMEOUT_S):
            while not self._heard:
                data = await self._reader.read(65536)
                assert data, "the link was ended"
                self._frames.feed(data)
        return self._heard.pop(0)

    async def proof(self, secret: bytes = SECRET) -> bytes:
        """What proves that it knows `secret`, once it was challenged."""
        kind, challenge = await self.heard()
        proof = Handshake(secret, accepts=False).answer(kind, challenge)
        assert proof is not None
        return proof

    async def cut(self) -> list[tuple[int, bytes]]:
        """Wait until it is cut off; returns what it has heard before."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                while data := await self._reader.read(65536):
                    self._frames.feed(data)
            except ConnectionResetError:
                pass
        return self._heard


def announced(kind: Kind, payload_bytes: int) -> bytes:
    """The head alone of a frame of so many bytes."""
    return struct.pack("<IBIIQ", 17 + payload_bytes, kind, 0, 0, 0)
