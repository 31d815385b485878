"""Cookies (RFC 6265): what a client sends, and the headers that set them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!#-+./:<-\[\]-~0-9A-Za-z-]*")  # no space, quote, comma, semicolon, backslash
_ATTRIBUTE = re.compile(r"[\x20-:<-~]*")
SAME_SITE = ("lax", "strict", "none")


def parse_cookies(headers: Iterable[str]) -> dict[str, str]:
    """The cookies of `Cookie` headers; of several with one name, the first."""
    cookies: dict[str, str] = {}
    for header in headers:
        for pair in header.split(";"):
            name, equals, value = pair.partition("=")
            name, value = name.strip(), value.strip()
            if equals and name:
                if len(value) > 1 and value[0] == value[-1] == '"':
                    value = value[1:-1]
                cookies.setdefault(name, value)
    return cookies


def set_cookie_header(
    name: str,
    value: str,
    *,
    max_age: int | None,
    expires: datetime | None,
    path: str | None,
    domain: str | None,
    secure: bool,
    http_only: bool,
    same_site: str | None,
) -> str:
    """The value of a `Set-Cookie` header.

    Raises:
        ValueError: If a part has a character that would end it, or `same_site` is none of
            `SAME_SITE`, or is "none" without `secure`, which browsers refuse.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a cookie {name!r} was given; use letters, digits, `-` and `_` in a name")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"cookie {name!r} was given {value!r}; no space, quote, comma, semicolon or backslash "
            "may be in a value: encode it, as by urllib.parse.quote"
        )
    parts = [f"{name}={value}"]
    if expires is not None:
        parts.append(f"Expires={format_datetime(expires.astimezone(UTC), usegmt=True)}")
    if max_age is not None:
        parts.append(f"Max-Age={int(max_age)}")
    for attribute, text in (("Domain", domain), ("Path", path)):
        if text is not None:
            if not _ATTRIBUTE.fullmatch(text):
                raise ValueError(f"cookie {name!r} was given {attribute.lower()} {text!r}")
            parts.append(f"{attribute}={text}")
    if secure:
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    if same_site is not None:
        if same_site.lower() not in SAME_SITE or (same_site.lower() == "none" and not secure):
            raise ValueError(
                f"cookie {name!r} was given same_site {same_site!r}; it is lax, strict, or none "
                "together with secure=True"
            )
        parts.append(f"SameSite={same_site.capitalize()}")
    return "; ".join(parts)
