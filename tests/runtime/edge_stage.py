"""A gateway, the real edge of its node, and a room actor that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from parlour.actors import messages
from parlour.actors.edge import Edge, EdgeSettings
from parlour.actors.frames import Kind, pack_parts, unpack_parts
from parlour.actors.messages import RequestHead, ResponseHead, Standing
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.runtime.gateway import Gateway
from parlour.runtime.gateway_news import GatewayNews
from parlour.runtime.release import Assets
from parlour.runtime.settings import GatewaySettings

from ..actors.linked import Frame as LinkFrame
from ..actors.staging import until
from ..support.running import free_port
from .peers import Manager, RoomActor

BODY_BYTES_MAX = 3 * 1024 * 1024


class EdgeStage:
    """Version 1 of some classes, deployed.

    Attributes:
        edge: Of the version that was started last.
        port: Where clients connect.
    """

    def __init__(
        self, folder: Path, parties: Mapping[str, type[Room]], public: Path | None = None
    ) -> None:
        self.parties = parties
        self.manager = Manager(folder)
        self.actor = RoomActor(folder)
        self.port = free_port()
        settings = GatewaySettings(
            host="127.0.0.1",
            port=self.port,
            manager_address=self.manager.address,
            redis_url=f"unix://{folder}/no-server.sock",
            crons_on_demand=True,
            note_requests=True,
        )
        self.assets = Assets(str(public or ""), single_page=True)
        self.gateway = Gateway(settings, GatewayNews())
        self.edges: list[Edge] = []

    @property
    def edge(self) -> Edge:
        return self.edges[-1]

    def deploy(self, version: int, parties: Mapping[str, type[Room]] | None = None) -> None:
        """Have the gateway use a version; its edge is another matter."""
        classes = self.parties if parties is None else parties
        options = {party: options_of(each) for party, each in classes.items()}
        self.gateway.use(GatewayNews(version, options, assets=self.assets))

    async def start_edge(
        self, version: int, parties: Mapping[str, type[Room]] | None = None
    ) -> None:
        """Start the edge of a version."""
        settings = EdgeSettings(
            self.gateway.settings.edge_address(version),
            version,
            {"GREETING": "hello"},
            {"sweep": "0 3 * * *"},
        )
        self.edges.append(Edge(settings, self.parties if parties is None else parties))
        await self.edge.start()

    async def _attached(self) -> int:
        # What was told of clients that have left comes before.
        channel = (await self.actor.inbox.take_until(Kind.ATTACH))[-1].channel
        self.actor.say(Kind.READY, channel)
        return channel

    async def let_in(self) -> LinkFrame:
        """Have the room let the next client in; returns its CONNECT."""
        channel = await self._attached()
        connect = await self.actor.event()
        assert connect.kind is Kind.CONNECT
        self.actor.say(Kind.TAKEN, channel, connect.number)
        standing = messages.encode(Standing([], b""))
        self.actor.say(Kind.ACCEPT, channel, connect.number, payload=standing)
        return connect

    async def answer_request(self, text: bytes = b"ok") -> tuple[RequestHead, bytes]:
        """Have the room answer the next request; returns it."""
        channel = await self._attached()
        event = await self.actor.event()
        assert event.kind is Kind.REQUEST
        head, body = unpack_parts(event.payload)
        answer = pack_parts(messages.encode(ResponseHead(200, [])), text)
        self.actor.say(Kind.RESPONSE, channel, event.number, payload=answer)
        return messages.decode(head, RequestHead), body


@asynccontextmanager
async def edge_stage(
    folder: Path, parties: Mapping[str, type[Room]], public: Path | None = None
) -> AsyncIterator[EdgeStage]:
    """A stage with version 1 deployed, and its edge there."""
    stage = EdgeStage(folder, parties, public)
    await stage.manager.start()
    await stage.actor.start()
    stage.manager.place = stage.actor.address
    await stage.start_edge(1)
    stage.deploy(1)
    await stage.gateway.start()
    try:
        yield stage
    finally:
        await stage.gateway.stop()
        for edge in stage.edges:
            await edge.stop()
        await until(lambda: "0 sockets" in repr(stage.gateway))
        stage.manager.close()
        stage.actor.close()
        await asyncio.sleep(0)
