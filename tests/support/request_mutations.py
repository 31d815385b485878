"""Requests and frames as clients send them, and what becomes of them by chance."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..runtime.raw_client import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame, upgrade

CHANGES_MAX = 6
BYTES_MAX = 60_000  # of one mutated request
TOKENS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"%", b"%00", b"%2e%2e/", b"//",
    b"\r\n\r\n", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2", b"GET ", b"POST ", b"OPTIONS * ", b"-1", b"0",
    b"18446744073709551615", b"ffffffffffffffff", b"Content-Length: 5\r\n", b"chunked", b"identity",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Connection: Upgrade\r\n",
    b"Upgrade: websocket\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"Host: other\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n", b"Sec-WebSocket-Protocol: a, b\r\n",
    b"Range: bytes=0-18446744073709551615\r\n", b"Cookie: a=b; a=\xff\r\n", b"_pk=", b"a" * 300,
    b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"0\r\n\r\n", b"\x88\x02\x03\xe8", b"\x81\xfe\xff\xff",
    b"\x82\xff" + b"\xff" * 8,
]  # fmt: skip


def requests(path: str) -> list[bytes]:
    """Valid ones of each kind, to a room and elsewhere."""

    def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
        head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: h", *headers, "", ""])
        return head.encode() + body

    pieces = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"
    return [
        request("GET", path, "Accept: */*", "Connection: close"),
        request("GET", f"{path}/below/it?q=1&q=%20&_pk=me", "Cookie: a=b; c=d"),
        request("POST", path, "Content-Length: 5", "Content-Type: text/plain", body=b"hello"),
        request("PUT", path, "Transfer-Encoding: chunked", body=pieces),
        request("POST", path, "Expect: 100-continue", "Content-Length: 2", body=b"{}"),
        request("HEAD", path) + request("OPTIONS", path, "Origin: http://o") + request("GET", "/"),
        request("GET", "/parties/nobody/x") + request("GET", "/party/") + request("GET", "/a/../b"),
        request("DELETE", f"http://h{path}", "Connection: close"),
        upgrade(f"{path}?_pk=fuzz"),
        upgrade("/parties/nobody/x"),
    ]  # fmt: skip


def conversations() -> list[bytes]:
    """What a client says once it is in."""
    return [
        frame(TEXT, b"hello") + frame(BINARY, bytes(200)) + frame(CLOSE, b"\x03\xe8bye"),
        frame(TEXT, b"he", fin=False) + frame(PING, b"x") + frame(CONTINUATION, "llö".encode()),
        frame(BINARY, bytes(70_000)[:5000]) + frame(TEXT, "é✓".encode() * 100),
        frame(PING) + frame(PING, bytes(125)) + frame(CLOSE),
    ]


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, changed in one to `CHANGES_MAX` places."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, CHANGES_MAX)):
        _change(chance, data, seeds)
    return bytes(data[:BYTES_MAX])


def _change(chance: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = chance.randint(0, len(data))
    end = min(len(data), at + chance.choice((1, 2, 4, 16, 100)))
    kind = chance.randrange(8)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[at:at] = chance.choice(TOKENS)
    elif kind == 2:
        data[at:end] = chance.choice(TOKENS)
    elif kind == 3:
        del data[at:end]
    elif kind == 4:
        data[at:at] = data[at:end] * chance.choice((1, 2, 50))
    elif kind == 5:
        data[at:end] = chance.randbytes(end - at)
    elif kind == 6:
        other = chance.choice(seeds)
        data[at:] = other[chance.randint(0, len(other)) :]
    else:
        lines = bytes(data).split(b"\r\n")
        chance.shuffle(lines)
        data[:] = b"\r\n".join(lines)
