"""The request that opens a WebSocket, by RFC 6455 section 4.2.1."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from parlour.runtime.handshake import (
    BadHandshake,
    Upgrade,
    asks_for_websocket,
    check_upgrade,
    minimal_request,
    refusal,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the one of the RFC
GOOD = {
    "Host": "h:1999",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def check(method: str = "GET", version: tuple[int, int] = (1, 1), **changes: str | None) -> Upgrade:
    """Check a good request with some headers changed, or left out."""
    headers = CIMultiDict(GOOD)
    for name, value in changes.items():
        name = name.replace("_", "-")
        headers.pop(name, None)
        if value is not None:
            headers[name] = value
    return check_upgrade(method, "/party/x?q=1", version, CIMultiDictProxy(headers))


def test_a_valid_request_is_understood() -> None:
    """Its path with the query, its host, its key and all of its headers."""
    upgrade = check()
    assert (upgrade.path, upgrade.host, upgrade.key) == ("/party/x?q=1", "h:1999", KEY.encode())
    assert ("Sec-WebSocket-Version", "13") in upgrade.headers
    assert all(type(name) is str for name, _ in upgrade.headers)


@pytest.mark.parametrize(
    "connection",
    ["Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade,keep-alive", " UPGRADE ", "a,, upgrade"],
)
def test_the_connection_header_is_a_list(connection: str) -> None:
    """Firefox sends `keep-alive, Upgrade`."""
    check(connection=connection)


def test_a_connection_header_may_come_in_several_lines() -> None:
    """Which mean one list."""
    headers = CIMultiDict(GOOD)
    headers["Connection"] = "keep-alive"
    headers.add("Connection", "Upgrade")
    check_upgrade("GET", "/", (1, 1), CIMultiDictProxy(headers))


@pytest.mark.parametrize("connection", [None, "", "keep-alive", "upgraded", "close"])
def test_a_request_without_connection_upgrade_is_refused(connection: str | None) -> None:
    """A part of a word is not the word."""
    with pytest.raises(BadHandshake, match="Connection: Upgrade") as raised:
        check(connection=connection)
    assert raised.value.status == 400


@pytest.mark.parametrize("method", ["POST", "HEAD", "get", "OPTIONS"])
def test_only_get_opens_a_websocket(method: str) -> None:
    """Methods are case-sensitive."""
    with pytest.raises(BadHandshake) as raised:
        check(method)
    assert raised.value.status == 400


@pytest.mark.parametrize("version", [(0, 9), (1, 0)])
def test_http_before_1_1_opens_no_websocket(version: tuple[int, int]) -> None:
    """It knows no upgrade."""
    with pytest.raises(BadHandshake) as raised:
        check(version=version)
    assert raised.value.status == 400


@pytest.mark.parametrize("version", [None, "", "8", "14", "013", "13, 8", "thirteen"])
def test_other_versions_of_the_protocol_are_told_which_one_is_spoken(version: str | None) -> None:
    """426 with the version, as the RFC says."""
    with pytest.raises(BadHandshake, match="13") as raised:
        check(sec_websocket_version=version)
    assert raised.value.status == 426
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in refusal(426, "x")


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "x",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQ==dGhl",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "dGhl IHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ=\xe9",
        "*" * 24,
    ],
)
def test_a_key_is_sixteen_bytes_in_base64(key: str | None) -> None:
    """It goes into a response: nothing else may."""
    with pytest.raises(BadHandshake, match="Sec-WebSocket-Key") as raised:
        check(sec_websocket_key=key)
    assert raised.value.status == 400


def test_a_request_without_a_host_is_refused() -> None:
    """HTTP/1.1 and the RFC both demand one."""
    with pytest.raises(BadHandshake, match="Host") as raised:
        check(host=None)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("length", "encoding"), [("1", None), ("-1", None), ("many", None), (None, "chunked")]
)
def test_a_request_with_a_body_is_refused(length: str | None, encoding: str | None) -> None:
    """Its bytes would be taken for frames."""
    with pytest.raises(BadHandshake) as raised:
        check(content_length=length, transfer_encoding=encoding)
    assert raised.value.status == 400
    check(content_length="0")


HEAD = "GET /party/x HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        "Upgrade: websocket",
        "upgrade:WebSocket",
        "UPGRADE: \t websocket \t",
        "A: b\r\nUpgrade: websocket",
    ],
)
def test_a_head_that_asks_for_a_websocket_is_told_by_one_header(header: str) -> None:
    """In any case and with any space around it."""
    assert asks_for_websocket(HEAD.format(header).encode())


@pytest.mark.parametrize(
    "head",
    [
        HEAD.format("X-Upgrade: websocket"),
        HEAD.format("Upgrade: websockets"),
        HEAD.format("Upgrade: h2c"),
        HEAD.format("A: Upgrade: websocket"),
        HEAD.format("Accept: */*"),
        HEAD.format("Upgrade: websocket").replace("GET", "POST"),
        HEAD.format("Upgrade: websocket").replace("GET", "get"),
    ],
)
def test_other_heads_do_not_ask_for_a_websocket(head: str) -> None:
    """They are HTTP requests like any others."""
    assert not asks_for_websocket(head.encode())


def test_the_request_that_picows_is_shown_holds_the_key_and_nothing_of_the_client() -> None:
    """Everything else was checked before."""
    request = minimal_request(KEY.encode())
    assert request.endswith(b"Sec-WebSocket-Key: " + KEY.encode() + b"\r\n\r\n")
    assert asks_for_websocket(request)


@pytest.mark.parametrize("status", [400, 403, 404, 408, 426, 431, 503])
def test_a_refusal_is_a_whole_response(status: int) -> None:
    """Status line, length of the body, and the end of the connection."""
    head, _, body = refusal(status, "été: no").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert len(lines[0].split(" ", 2)[2]) > 0
    assert body == "été: no\n".encode()
    assert f"Content-Length: {len(body)}" in lines
    assert "Connection: close" in lines
