"""Cookies: what clients send, and what is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from parlour.actors.cookies import parse_cookies
from parlour.actors.request import Request
from parlour.actors.response import Response


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("a=1", {"a": "1"}),
        ("a=1; b=2;c=3", {"a": "1", "b": "2", "c": "3"}),
        ('a="x y"; b=', {"a": "x y", "b": ""}),
        ("a=1=2", {"a": "1=2"}),
        ("a=1; a=2", {"a": "1"}),
        ("; ;=x; nothing; {odd}=1", {"{odd}": "1"}),
        ("", {}),
    ],
)
def test_what_a_client_sends_is_read(header: str, cookies: dict[str, str]) -> None:
    """Whatever it is; one odd cookie does not hide the others."""
    assert parse_cookies([header]) == cookies


def test_a_request_has_its_cookies() -> None:
    """Of every `Cookie` header."""
    headers = [("Cookie", "a=1"), ("cookie", "b=2")]
    assert Request("GET", "http://h/", "/", headers).cookies == {"a": "1", "b": "2"}
    assert Request("GET", "http://h/", "/", []).cookies == {}


def set_by(name: str = "a", value: str = "1", **given: Any) -> str:
    """The header that a response sets a cookie with."""
    response = Response()
    response.set_cookie(name, value, **given)
    return response.headers["set-cookie"]


def test_a_cookie_is_for_the_whole_site_and_not_for_others() -> None:
    """Until the browser ends."""
    assert set_by() == "a=1; Path=/; SameSite=Lax"


def test_what_is_said_of_a_cookie_is_sent() -> None:
    """In the form that browsers read; the time in UTC."""
    expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    assert set_by(
        expires=expires,
        max_age=60,
        domain="example.org",
        path="/party",
        secure=True,
        http_only=True,
        same_site="none",
    ) == (
        "a=1; Expires=Wed, 02 Jan 2030 02:04:05 GMT; Max-Age=60; Domain=example.org; Path=/party; "
        "Secure; HttpOnly; SameSite=None"
    )
    assert set_by(path=None, same_site=None) == "a=1"
    assert "GMT" in set_by(expires=datetime.now(UTC))


def test_several_cookies_are_several_headers() -> None:
    """And one is deleted by ending it."""
    response = Response(headers={"Set-Cookie": "z=0"})
    response.set_cookie("a", "1")
    response.delete_cookie("b")
    assert response.headers.getall("set-cookie") == [
        "z=0",
        "a=1; Path=/; SameSite=Lax",
        "b=; Max-Age=0; Path=/; SameSite=Lax",
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "a;"},
        {"value": "1; Secure"},
        {"value": "a b"},
        {"value": 'a"b'},
        {"value": "a\r\nb: c"},
        {"value": "é"},
        {"path": "/;"},
        {"domain": "x\r\n"},
        {"same_site": "maybe"},
        {"same_site": "none"},
    ],
)
def test_what_would_be_another_cookie_is_refused(given: dict[str, str]) -> None:
    """Naming the cookie, and what to do."""
    with pytest.raises(ValueError, match="cookie"):
        set_by(**given)
