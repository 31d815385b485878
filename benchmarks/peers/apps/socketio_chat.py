"""python-socketio with its Redis manager. Clients say `m` and are answered with `m`."""

import os
from urllib.parse import parse_qs

import socketio

manager = socketio.AsyncRedisManager(os.environ["REDIS_URL"])
server = socketio.AsyncServer(async_mode="asgi", client_manager=manager)
app = socketio.ASGIApp(server)
rooms: dict[str, str] = {}  # by session: where what it says goes


@server.event
async def connect(sid: str, environ: dict[str, str], auth: object = None) -> None:
    query = parse_qs(environ["QUERY_STRING"])
    if query["party"] == ["fanout"]:
        [rooms[sid]] = query["room"]
        await server.enter_room(sid, rooms[sid])


@server.event
async def disconnect(sid: str, reason: object = None) -> None:
    rooms.pop(sid, None)


@server.on("m")
async def message(sid: str, text: str) -> None:
    await server.emit("m", text, to=rooms.get(sid, sid))
