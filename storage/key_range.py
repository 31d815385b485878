"""Ranges of keys, as `list`, `keys` and `scan` take them. Pure.

Keys order as strings, which for strings that encode is the order of their UTF-8 bytes. What
storage keeps for itself (pieces of large values) lies above every key of a user.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

from .errors import InvalidArgument, InvalidKey

# The highest code point, which Unicode reserves for programs' own use: above any text.
RESERVED = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys low <= key < high, at most `limit` of them, from the top if `reverse`.

    Attributes:
        high: None if there is no bound above.
        limit: None if there is no bound.
    """

    low: str
    high: str | None
    reverse: bool = False
    limit: int | None = None

    @classmethod
    def of(
        cls,
        *,
        start: str | None,
        start_after: str | None,
        end: str | None,
        prefix: str | None,
        reverse: bool,
        limit: int | None,
        call: str = "list()",
    ) -> KeyRange:
        """Build the range of a user's keys that these arguments of a `call` describe.

        A bound is a place in the order of the keys: it may be longer than a key, or above all of
        them, as in `start=last + "\\0"`.

        Raises:
            InvalidArgument: If `start` and `start_after` are both given, `limit` is not a positive
                integer, or a bound is not a string.
            InvalidKey: If a bound is no text and so has no place among the keys.
        """
        bounds = {"start": start, "start_after": start_after, "end": end, "prefix": prefix}
        for name, bound in bounds.items():
            if bound is not None:
                _check_bound(call, name, bound)
        if start is not None and start_after is not None:
            problem = "takes start (which is included) or start_after (which is not), not both"
            raise InvalidArgument(call, problem)
        if limit is not None:
            check_limit(call, "limit", limit)
        low = start if start is not None else ""
        if start_after is not None:
            low = start_after + "\0"  # the next string there is
        high = RESERVED if end is None else min(end, RESERVED)
        if prefix:
            low = max(low, prefix)
            above = successor(prefix)
            high = high if above is None else min(high, above)
        return cls(low, high, reverse, limit)

    @property
    def empty(self) -> bool:
        """Whether no key can be in it."""
        return self.high is not None and self.low >= self.high

    def holds(self, key: str) -> bool:
        """Tell whether `key` is in the range."""
        return self.low <= key and (self.high is None or key < self.high)

    def between(self, low: str, high: str | None) -> KeyRange:
        """Narrow the range to these bounds."""
        if high is None or (self.high is not None and self.high < high):
            high = self.high
        return replace(self, low=max(low, self.low), high=high)

    def beyond(self, part: KeyRange) -> KeyRange | None:
        """Tell what is left when `part`, where reading begins, is done; None if nothing is."""
        if self.reverse:
            return None if part.low == self.low else replace(self, high=part.low)
        return None if part.high == self.high else replace(self, low=part.high or "")

    def select(self, keys: list[str]) -> list[str]:
        """Choose from sorted keys those of the range, in its direction and cut to its limit."""
        first = bisect_left(keys, self.low)
        end = len(keys) if self.high is None else bisect_left(keys, self.high)
        count = max(0, end - first)
        if self.limit is not None:
            count = min(count, self.limit)
        return keys[end - count : end][::-1] if self.reverse else keys[first : first + count]


def check_limit(call: str, name: str, limit: int) -> None:
    """Refuse a number of keys that is none.

    Raises:
        InvalidArgument: If it is not a positive integer; names the call and the argument.
    """
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise InvalidArgument(call, f"{name} must be an integer, not {type(limit).__name__}")
    if limit < 1:
        raise InvalidArgument(call, f"{name} must be positive, not {limit}")


def _check_bound(call: str, name: str, bound: str) -> None:
    if not isinstance(bound, str):
        raise InvalidArgument(call, f"{name} must be a string, not {type(bound).__name__}")
    if any("\ud800" <= sign <= "\udfff" for sign in bound):
        problem = f"was given to {call} as {name} and holds half a surrogate pair, which is no text"
        raise InvalidKey(bound, problem)


def successor(prefix: str) -> str | None:
    """Find the first string above everything that starts with `prefix`; None if there is none."""
    stem = prefix.rstrip(RESERVED)
    if not stem:
        return None
    above = ord(stem[-1]) + 1
    if 0xD800 <= above <= 0xDFFF:  # surrogates are no characters
        above = 0xE000
    return stem[:-1] + chr(above)
