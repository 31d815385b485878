"""Requests as rooms see them."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors.request import Request


def request(url: str = "http://h/party/x", body: bytes = b"") -> Request:
    """A request with a repeated header."""
    headers = [("Host", "h"), ("X-Tag", "1"), ("x-tag", "2")]
    return Request("POST", url, "/", headers, body)


def test_header_names_compare_without_regard_to_case() -> None:
    """And one that occurs twice keeps both values, in order."""
    headers = request().headers
    assert headers["HOST"] == headers["host"] == "h"
    assert headers.getall("X-TAG") == ["1", "2"]


def test_the_query_is_decoded_once() -> None:
    """Repeated names, plus signs, percent signs and values without a name's equals sign."""
    query = request("http://h/party/x?a=1&a=2&b=%26%3D&c=x+y&d=%2525&e&f=").query
    assert query.getall("a") == ["1", "2"]
    assert dict(query) == {"a": "1", "b": "&=", "c": "x y", "d": "%25", "e": "", "f": ""}
    assert dict(request().query) == {}


def test_the_body_is_text_in_utf8() -> None:
    """And an error, not a guess, when it is not."""
    assert request(body="été".encode()).text() == "été"
    with pytest.raises(UnicodeDecodeError):
        request(body=b"\xff").text()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"undefined", b"[" * 100_000])
def test_a_body_that_is_not_json_is_a_value_error(body: bytes) -> None:
    """One error for all that is wrong with it."""
    assert request(body=b'{"a": [1, null]}').json() == {"a": [1, None]}
    with pytest.raises(ValueError, match=r"Expecting|decode|utf|too deep"):
        request(body=body).json()


async def test_a_whole_body_is_a_stream_of_one_piece() -> None:
    """A room that streams bodies need not ask how long one is."""
    assert [piece async for piece in request(body=b"hello").stream()] == [b"hello"]
    assert [piece async for piece in request().stream()] == []
    assert not request(body=b"hello").streamed


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"url": 5}, TypeError),
        ({"path": b"/"}, TypeError),
        ({"method": 1}, TypeError),
        ({"body": "text"}, TypeError),
        ({"headers": {"x": 1}}, TypeError),
        ({"headers": {"x": "a\r\nb: c"}}, ValueError),
        ({"method": "P T"}, ValueError),
        ({"path": "below"}, ValueError),
    ],
)
def test_a_request_is_replaced_by_one_that_can_be_sent(
    changes: dict[str, Any], error: type[Exception]
) -> None:
    """What cannot is refused where it is given."""
    with pytest.raises(error):
        request(body=b"x").replace(**changes)
