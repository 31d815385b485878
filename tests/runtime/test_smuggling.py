"""Requests that two parsers might cut differently: none reaches a room that was not meant to.

A proxy in front of the gateway may see one request where the gateway sees two, or the other way
round. So what is ambiguous is refused and ends the connection, and nothing after it is read.
"""

from __future__ import annotations

import re

import pytest

from .raw_client import KEY, RawClient, raw_client, upgrade
from .whole_node import PATH, WholeNode, Witness, bystander
from .whole_node import whole as whole

HIDDEN = f"GET {PATH}/hidden HTTP/1.1\r\nHost: h\r\n\r\n".encode()
CHUNKED = b"Transfer-Encoding: chunked"


def post(*headers: bytes, body: bytes = b"", path: str = PATH, end: bytes = b"\r\n") -> bytes:
    """A request with just these headers besides Host."""
    lines = [f"POST {path} HTTP/1.1".encode(), b"Host: h", *headers, b"", body]
    return end.join(lines)


def get(*headers: bytes, target: str = PATH, version: bytes = b"HTTP/1.1") -> bytes:
    """The same without a body."""
    return b"\r\n".join(
        [b"GET " + target.encode() + b" " + version, b"Host: h", *headers, b"", b""]
    )


AMBIGUOUS = {
    "length and chunks": post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"),
    "chunks and length": post(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"),
    "two lengths": post(b"Content-Length: 5", b"Content-Length: 0", body=b"12345"),
    "two lengths, in other cases": post(b"content-length: 0", b"CONTENT-LENGTH: 5"),
    "two lengths in one line": post(b"Content-Length: 0, 5"),
    "the same length twice in one line": post(b"Content-Length: 0, 0"),
    "a signed length": post(b"Content-Length: +0"),
    "a negative length": post(b"Content-Length: -1"),
    "a length in hexadecimal": post(b"Content-Length: 0x5"),
    "a length with an underscore": post(b"Content-Length: 1_0"),
    "a length in other digits": post("Content-Length: ٠".encode()),
    "an empty length": post(b"Content-Length:"),
    "a length that overflows": post(b"Content-Length: 18446744073709551616"),
    "an unknown coding": post(b"Transfer-Encoding: xchunked"),
    "chunks before another coding": post(b"Transfer-Encoding: chunked, identity"),
    "chunks twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "chunks with a control code": post(b"Transfer-Encoding: \x0bchunked"),
    "space before a colon": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "space before the colon of a length": post(b"Content-Length : 5"),
    "a header in two lines": post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"),
    "a length in two lines": post(b"Content-Length:\r\n\t5", body=b"12345"),
    "a header without a name": post(b": x"),
    "a header without a colon": post(b"Content-Length 5"),
    "a carriage return in a header": post(b"X: a\rContent-Length: 5"),
    "a zero byte in a header": post(b"X: a\0b"),
    "a zero byte in a name": post(b"Content\0Length: 5"),
    "a space in front of the first header": get(b"").replace(b"Host", b" Host"),
    "lines that end in line feeds alone": post(b"Content-Length: 0", end=b"\n"),
    "a line that ends in a line feed alone": post(b"X: a\nContent-Length: 5"),
    "a chunk without a size": post(CHUNKED, body=b"\r\n\r\n"),
    "a chunk of negative size": post(CHUNKED, body=b"-1\r\n\r\n0\r\n\r\n"),
    "a chunk with 0x": post(CHUNKED, body=b"0x1\r\nA\r\n0\r\n\r\n"),
    "a chunk whose size overflows": post(CHUNKED, body=b"10000000000000000\r\nA\r\n0\r\n\r\n"),
    "a chunk that is longer than its size": post(CHUNKED, body=b"1\r\nABC\r\n0\r\n\r\n"),
    "a chunk that ends in a line feed": post(CHUNKED, body=b"1\nA\n0\n\n"),
    "a tab in the first line": get().replace(b"GET ", b"GET\t"),
    "no version": f"GET {PATH}\r\n\r\n".encode(),
    "a version of no HTTP": get(version=b"HTTP/9"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method that is none": get().replace(b"GET", b"G(T"),
    "a WebSocket with a body": get(
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + KEY.encode(),
        b"Content-Length: 5",
    ),
}


def statuses(answers: bytes) -> list[int]:
    """Of all answers that came."""
    return [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d+)", answers, re.MULTILINE)]


@pytest.mark.parametrize("where", ["first", "kept"])
@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_what_is_ambiguous_ends_the_connection(
    whole: WholeNode, name: str, where: str
) -> None:
    """With a 4xx, on a new connection and on a kept one, and what follows is never read."""
    async with bystander(whole.port) as other, raw_client(whole.port) as client:
        if where == "kept":
            await answered(client, get(target=PATH + "/before"))
        client.send(AMBIGUOUS[name], HIDDEN)

        answers = await client.ended()

        assert [status for status in statuses(answers) if not 400 <= status < 500] == []
        assert len(statuses(answers)) <= 1
        await other.talk()
    assert [path for _, path, _ in Witness.heard if path != "/before"] == []


CLEAR = {
    "an empty body": (post(b"Content-Length: 0"), b""),
    "a body": (post(b"Content-Length: 5", body=b"12345"), b"12345"),
    "a length with zeros in front": (post(b"Content-Length: 005", body=b"12345"), b"12345"),
    "a length with space around": (post(b"Content-Length: \t5 ", body=b"12345"), b"12345"),
    "chunks": (post(CHUNKED, body=b"3\r\n123\r\n2\r\n45\r\n0\r\n\r\n"), b"12345"),
    "chunks in another case": (post(b"TRANSFER-encoding: Chunked", body=b"0\r\n\r\n"), b""),
    "chunks with an extension": (post(CHUNKED, body=b'1;a="b"\r\n1\r\n0\r\n\r\n'), b"1"),
    "chunks with a trailer": (post(CHUNKED, body=b"1\r\n1\r\n0\r\nX: y\r\n\r\n"), b"1"),
    "a body that looks like a request": (
        post(b"Content-Length: %d" % len(HIDDEN), body=HIDDEN),
        HIDDEN,
    ),
    "empty lines before it": (b"\r\n\r\n" + post(b"Content-Length: 0"), b""),
}


@pytest.mark.parametrize("name", CLEAR)
async def test_what_is_clear_is_one_request(whole: WholeNode, name: str) -> None:
    """Its body is what it says, and the next request on the connection is the next."""
    data, body = CLEAR[name]
    async with raw_client(whole.port) as client:
        client.send(data)
        assert (await client.answer()).status == 200
        await answered(client, get(target=PATH + "/next"))

    assert Witness.heard == [("POST", "/", body), ("GET", "/next", b"")]


HEADS = {
    "one long header": get(b"X: " + bytes(40_000).replace(b"\0", b"a")),
    "one long name": get(b"a" * 40_000 + b": x"),
    "many headers": get(*(b"x%d: y" % n for n in range(4_000))),
    "a long path": get(target=PATH + "/" + "a" * 40_000),
    "a long query": get(target=PATH + "?" + "a" * 40_000),
    "a head that does not end": get(b"X: y")[:-2] + b"x" * 70_000,
}


@pytest.mark.parametrize("where", ["first", "kept"])
@pytest.mark.parametrize("name", HEADS)
async def test_a_huge_head_is_refused(whole: WholeNode, name: str, where: str) -> None:
    """By size, before it has all come; the room does not see it."""
    async with bystander(whole.port) as other, raw_client(whole.port) as client:
        if where == "kept":
            await answered(client, get(target=PATH + "/before"))
        client.send(HEADS[name], HIDDEN)

        answers = await client.ended()

        assert set(statuses(answers)) <= {400, 414, 431}
        await other.talk()
    assert [path for _, path, _ in Witness.heard if path != "/before"] == []


@pytest.mark.parametrize(
    "target", [f"http://h{PATH}", f"http://other{PATH}", "*", "h:443", "//h" + PATH, "party/x"]
)
async def test_a_target_that_is_no_path_reaches_no_room_by_another_name(
    whole: WholeNode, target: str
) -> None:
    """A room has one path; what a proxy would read as another host's is not it."""
    async with raw_client(whole.port) as client:
        client.send(get(b"Connection: close", target=target))
        [status] = statuses(await client.ended())

    assert status in (400, 404) or (status == 200 and target.startswith("http://"))
    assert {path for _, path, _ in Witness.heard} <= {"/"}


async def test_what_follows_a_request_for_a_websocket_is_no_request(whole: WholeNode) -> None:
    """A client has to wait for the answer; what it sends before is not taken for HTTP."""
    for before in ([], [get(target=PATH + "/before")]):
        async with raw_client(whole.port) as client:
            for data in before:
                await answered(client, data)
            client.send(upgrade(PATH), HIDDEN)
            assert (await client.head()).status == (101 if before else 400)

    assert Witness.heard == [("GET", "/before", b"")]


async def answered(client: RawClient, data: bytes) -> None:
    client.send(data)
    assert (await client.answer()).status == 200
