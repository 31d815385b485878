"""The class option `cors`: what it may be, and the headers that follow from it."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors.cors import Cors, cors_of

ORIGIN = "https://example.org"
ANY = [("Access-Control-Allow-Origin", "*")]
VARY = ("Vary", "Origin")


def of(value: Any) -> Cors:
    """What an option says that says something."""
    cors = cors_of(value)
    assert cors is not None
    return cors


def test_true_allows_every_page_the_plain_methods_for_a_day() -> None:
    """With any headers, without cookies."""
    cors = of(True)
    assert cors.answer(ORIGIN) == cors.answer(None) == ANY
    assert cors.preflight(ORIGIN) == [
        *ANY,
        ("Access-Control-Allow-Methods", "GET, POST, HEAD, OPTIONS"),
        ("Access-Control-Allow-Headers", "*"),
        ("Access-Control-Max-Age", "86400"),
    ]


@pytest.mark.parametrize("value", [False, None])
def test_without_it_nothing_is_allowed(value: Any) -> None:
    """The default of browsers."""
    assert cors_of(value) is None


def test_a_list_allows_its_origins_and_no_other() -> None:
    """A cache must know that the answer depends on who asks."""
    cors = of([ORIGIN, "http://localhost:3000"])
    assert cors.answer(ORIGIN) == [("Access-Control-Allow-Origin", ORIGIN), VARY]
    for other in ("https://example.com", "https://example.org.evil.net", "null", None, ""):
        assert cors.answer(other) == cors.preflight(other) == [VARY]
    assert ("Access-Control-Allow-Methods", "GET, POST, HEAD, OPTIONS") in cors.preflight(ORIGIN)


def test_a_dict_changes_what_it_names() -> None:
    """Everything else is as with True."""
    cors = of(
        {
            "origins": [ORIGIN],
            "methods": ["PUT", "DELETE"],
            "headers": ["X-Token"],
            "expose": ["X-Count"],
            "max_age": 60,
            "credentials": True,
        }
    )
    allowed = [
        ("Access-Control-Allow-Origin", ORIGIN),
        VARY,
        ("Access-Control-Allow-Credentials", "true"),
    ]
    assert cors.answer(ORIGIN) == [*allowed, ("Access-Control-Expose-Headers", "X-Count")]
    assert cors.preflight(ORIGIN) == [
        *allowed,
        ("Access-Control-Allow-Methods", "PUT, DELETE"),
        ("Access-Control-Allow-Headers", "X-Token"),
        ("Access-Control-Max-Age", "60"),
    ]
    assert of({"max_age": 0}) == Cors(max_age_s=0)
    assert of({}) == of(True)


@pytest.mark.parametrize(
    "value",
    [
        "https://example.org",
        1,
        [],
        [1],
        [""],
        ["a\r\nb: c"],
        {"origin": [ORIGIN]},
        {"origins": ORIGIN},
        {"max_age": -1},
        {"max_age": True},
        {"max_age": "60"},
        {"credentials": 1},
    ],
)
def test_what_says_nothing_is_refused(value: Any) -> None:
    """A text is not taken for a list of its letters, and no header is made of two lines."""
    with pytest.raises(ValueError, match="a list of origins"):
        cors_of(value)


@pytest.mark.parametrize(
    "value", [{"credentials": True}, {"credentials": True, "origins": [ORIGIN]}]
)
def test_cookies_are_not_for_everybody(value: Any) -> None:
    """With credentials, browsers take no `*`."""
    with pytest.raises(ValueError, match="names its origins"):
        cors_of(value)
