"""A client on a host, as a process: says numbers, each when the last came back; notes each.

Where it is told that messages to it were lost (1012) it connects again and repeats its last one.
"""

import asyncio
import json
import sys
import time

import aiohttp

SERVICE_RESTART = 1012


async def main(address: str, port: str, room: str) -> None:
    number = 1
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.ws_connect(f"ws://{address}:{port}/parties/{room}") as socket:
                number = await talk(socket, number)


async def talk(socket: aiohttp.ClientWebSocketResponse, number: int) -> int:
    """Talk until it is told to connect again; returns the number that was not answered."""
    while True:
        await socket.send_str(f"lonely {number}")
        text = ""
        while text != f"lonely {number}":
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                assert socket.close_code == SERVICE_RESTART, message
                return number
            count, _, text = message.data.partition(": ")
        print(json.dumps({"at_s": time.time(), "count": int(count)}), flush=True)
        number += 1
        await asyncio.sleep(0.02)


asyncio.run(main(*sys.argv[1:]))
