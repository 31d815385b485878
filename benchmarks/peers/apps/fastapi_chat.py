"""FastAPI with Redis: what a chat without a room server looks like.

A process keeps the sockets of each room that it serves; what one socket says is published in
Redis, and every process that listens passes it on.
"""

import asyncio
import os
from collections import defaultdict
from contextlib import suppress

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from redis.asyncio import Redis

app = FastAPI()
redis = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
KEYS, MANY = 1000, 20_000
turns: dict[str, int] = defaultdict(int)


class Rooms:
    """The sockets of this process by room, and a listener for each room."""

    def __init__(self) -> None:
        self.sockets: dict[str, set[WebSocket]] = defaultdict(set)
        self.listeners: dict[str, asyncio.Task[None]] = {}

    async def join(self, room: str, socket: WebSocket) -> None:
        await socket.accept()
        self.sockets[room].add(socket)
        if room not in self.listeners:
            self.listeners[room] = asyncio.create_task(self.listen(room))

    def leave(self, room: str, socket: WebSocket) -> None:
        self.sockets[room].discard(socket)
        if not self.sockets[room]:
            self.listeners.pop(room).cancel()

    async def listen(self, room: str) -> None:
        async with redis.pubsub() as pubsub:
            await pubsub.subscribe(room)
            async for message in pubsub.listen():
                if message["type"] == "message":
                    for socket in list(self.sockets[room]):
                        with suppress(WebSocketDisconnect, RuntimeError):  # it has just left
                            await socket.send_text(message["data"])


rooms = Rooms()


@app.websocket("/parties/echo/{room}")
@app.websocket("/parties/echoshared/{room}")
async def echo(socket: WebSocket, room: str) -> None:
    await socket.accept()
    async for message in socket.iter_text():
        await socket.send_text(message)


@app.websocket("/parties/fanout/{room}")
async def fanout(socket: WebSocket, room: str) -> None:
    await rooms.join(room, socket)
    try:
        async for message in socket.iter_text():
            await redis.publish(room, message)
    finally:
        rooms.leave(room, socket)


@app.websocket("/parties/put/{room}")
async def put(socket: WebSocket, room: str) -> None:
    await socket.accept()
    async for message in socket.iter_text():
        await redis.hset(room, key_of(message), message)
        await socket.send_text(message)


@app.websocket("/parties/get/{room}")
async def get(socket: WebSocket, room: str) -> None:
    if not await redis.exists(room):
        await redis.hset(room, mapping={f"key-{key:08}": "x" * 64 for key in range(KEYS)})
    await socket.accept()
    async for message in socket.iter_text():
        if len(await redis.hget(room, key_of(message))) == 64:
            await socket.send_text(message)


@app.websocket("/parties/getmany/{room}")
async def get_many(socket: WebSocket, room: str) -> None:
    if not await redis.exists(room):
        await redis.hset(room, mapping={f"key-{key:08}": "x" * 1024 for key in range(MANY)})
    await socket.accept()
    async for message in socket.iter_text():
        turns[room] = (turns[room] + 1) % MANY
        if len(await redis.hget(room, f"key-{turns[room]:08}")) == 1024:
            await socket.send_text(message)


@app.post("/parties/request/{room}")
async def request(request: Request, room: str) -> Response:
    return Response(await request.body(), media_type="text/plain")


def key_of(message: str) -> str:
    return f"key-{int(message[8:16], 16) % KEYS:08}"
