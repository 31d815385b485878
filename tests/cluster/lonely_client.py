"""A client on a host, as a process: says numbers, each when the last came back; notes each."""

import asyncio
import itertools
import json
import sys
import time

import aiohttp


async def main(address: str, port: str, room: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{address}:{port}/parties/{room}") as socket,
    ):
        for number in itertools.count(1):
            await socket.send_str(f"lonely {number}")
            while True:
                count, _, text = (await socket.receive_str()).partition(": ")
                if text == f"lonely {number}":
                    break
            print(json.dumps({"at_s": time.time(), "count": int(count)}), flush=True)
            await asyncio.sleep(0.02)


asyncio.run(main(*sys.argv[1:]))
