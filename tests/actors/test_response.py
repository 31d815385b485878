"""Responses as rooms give them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest
from parlour.actors.response import Response, as_response


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
        Response.html("<p>", headers={"CONTENT-TYPE": "text/html"}),
    ):
        assert response.headers.getall("content-type") == ["text/html"]


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, -200])
def test_a_status_that_is_no_answer_is_refused(status: int) -> None:
    """100 to 199 are no final answers."""
    with pytest.raises(ValueError, match=f"status {status} .* 200 to 599"):
        Response("", status)


def test_a_status_is_checked_whenever_it_is_set() -> None:
    """One that is no number would only be found where it cannot be told any more."""
    response = Response("")
    with pytest.raises(ValueError, match="99"):
        response.status = 99
    for status in ("200", 200.0, None):
        with pytest.raises(TypeError, match="it is an int"):
            response.status = status  # type: ignore[assignment]
    response.status = HTTPStatus.NOT_FOUND
    assert response.status == 404


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


@pytest.mark.parametrize("name", ["", "a b", "a:", "é", "x\r\ny", "(a)"])
def test_a_header_name_that_cannot_be_sent_is_refused(name: str) -> None:
    """A client would not understand the answer, or read another header in it."""
    with pytest.raises(ValueError, match="letters, digits"):
        Response("", headers={name: "x"})


def test_json_is_compact_and_declared() -> None:
    """What JSON has no form for is a TypeError."""
    response = Response.json({"a": [1, "é"]}, 201, {"x-a": "1"})
    assert response.body == b'{"a":[1,"\\u00e9"]}'
    assert (response.status, response.headers["x-a"]) == (201, "1")
    assert response.headers["content-type"] == "application/json"
    with pytest.raises(TypeError):
        Response.json(object())
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            Response.json([number])


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


def test_a_page_is_html() -> None:
    """In UTF-8."""
    response = Response.html("<p>été", 404)
    assert (response.status, response.body) == (404, "<p>été".encode())
    assert response.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_where_to_go(status: int) -> None:
    """302 unless it is said otherwise."""
    response = Response.redirect("/elsewhere?a=1", status)
    assert (response.status, response.headers["location"]) == (status, "/elsewhere?a=1")
    assert Response.redirect("/").status == 302


@pytest.mark.parametrize(("location", "status"), [("/", 200), ("/", 304), ("/\r\nX: y", 302)])
def test_a_redirect_that_is_none_is_refused(location: str, status: int) -> None:
    """Nor does a location begin another header."""
    with pytest.raises(ValueError, match="was given"):
        Response.redirect(location, status)


async def test_pieces_are_text_or_bytes() -> None:
    """Anything else ends the stream; the iterator is closed with it."""
    closed = []

    async def stream() -> AsyncIterator[Any]:
        try:
            yield "é"
            yield bytearray(b"x")
            yield 1
        finally:
            closed.append(True)

    response = Response(stream())
    assert response.streamed
    pieces = response.pieces()
    assert [await anext(pieces), await anext(pieces)] == ["é".encode(), b"x"]
    with pytest.raises(TypeError, match="gave int"):
        await anext(pieces)
    assert closed == [True]
    assert [piece async for piece in Response("whole").pieces()] == [b"whole"]
