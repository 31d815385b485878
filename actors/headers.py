"""Headers as they travel. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2


def header_pairs(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers as they travel.

    Raises:
        TypeError: If a name or a value is not text.
        ValueError: If a name has what no header's may have, or a value a line break, which would
            begin another header.
    """
    pairs = [(name, value) for name, value in headers.items()]
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header {name!r}: {value!r} was given; names and values are str")
        if not TOKEN.fullmatch(name):
            raise ValueError(
                f"a header {name!r} was given; a name has letters, digits and `-`, and is not empty"
            )
        if set(value) & set("\r\n\0"):
            raise ValueError(f"header {name!r}: {value!r} was given; it must be one line")
    return [(str(name), value) for name, value in pairs]
