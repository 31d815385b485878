"""Requests and responses as rooms see them."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors.http import Request, Response, as_response


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


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"undefined"])
def test_a_body_that_is_not_json_is_a_value_error(body: bytes) -> None:
    """One error for all that is wrong with it."""
    assert request(body=b'{"a": [1, null]}').json() == {"a": [1, None]}
    with pytest.raises(ValueError, match=r"Expecting|decode|utf"):
        request(body=body).json()


@pytest.mark.parametrize(
    ("body", "data", "content_type"),
    [
        ("été", "été".encode(), "text/plain; charset=utf-8"),
        ("", b"", "text/plain; charset=utf-8"),
        (b"\x00", b"\x00", "application/octet-stream"),
        (bytearray(b"\x00"), b"\x00", "application/octet-stream"),
        (memoryview(b"\x00"), b"\x00", "application/octet-stream"),
    ],
)
def test_a_body_says_what_it_is(body: Any, data: bytes, content_type: str) -> None:
    """Text as UTF-8, bytes as bytes."""
    response = Response(body)
    assert (response.status, response.body) == (200, data)
    assert response.headers["Content-Type"] == content_type


def test_a_content_type_of_the_rooms_own_counts() -> None:
    """However its name is spelled, and once."""
    for response in (
        Response("<p>", headers={"Content-Type": "text/html"}),
        Response.json({}, headers={"CONTENT-TYPE": "text/html"}),
    ):
        assert response.headers.getall("content-type") == ["text/html"]


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, -200])
def test_a_status_that_is_no_answer_is_refused(status: int) -> None:
    """100 to 199 are no final answers."""
    with pytest.raises(ValueError, match=f"status {status} .* 200 to 599"):
        Response("", status)


@pytest.mark.parametrize("body", [None, 1, {"a": 1}, ["a"], object()])
def test_a_body_of_another_type_is_refused(body: Any) -> None:
    """With the way out in the error."""
    with pytest.raises(TypeError, match=f"{type(body).__name__}.*Response.json"):
        Response(body)


@pytest.mark.parametrize("headers", [{"x": 1}, {"x": None}, {"x": b"1"}, {1: "x"}])
def test_a_header_that_is_not_text_is_refused(headers: Any) -> None:
    """Where it is given, not where it would have to be sent."""
    with pytest.raises(TypeError):
        Response("", headers=headers)


def test_json_is_compact_and_declared() -> None:
    """What JSON has no form for is a TypeError."""
    response = Response.json({"a": [1, "é"]}, 201, {"x-a": "1"})
    assert response.body == b'{"a":[1,"\\u00e9"]}'
    assert (response.status, response.headers["x-a"]) == (201, "1")
    assert response.headers["content-type"] == "application/json"
    with pytest.raises(TypeError):
        Response.json(object())


def test_what_on_request_returned_becomes_a_response() -> None:
    """A response stays what it is; text, bytes and a dict mean status 200."""
    response = Response("x", 404)
    assert as_response(response) is response
    assert as_response("x").headers["content-type"].startswith("text/plain")
    assert as_response(b"x").body == b"x"
    assert as_response({"a": 1}).headers["content-type"] == "application/json"


@pytest.mark.parametrize("value", [None, 1, ["a"], ("x", 404), object()])
def test_what_on_request_must_not_return_is_said(value: object) -> None:
    """Forgetting to return is the usual case."""
    with pytest.raises(TypeError, match=f"returned {type(value).__name__}; return a Response"):
        as_response(value)
