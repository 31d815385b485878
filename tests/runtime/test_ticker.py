"""How far a long command is, said now and then."""

from __future__ import annotations

from parlour.runtime.ticker import EVERY_S, SILENT_S, Ticker


def test_a_short_command_says_nothing_and_a_long_one_now_and_then() -> None:
    """First after `SILENT_S`, then every `EVERY_S` seconds, with the count."""
    now_s = 100.0
    said: list[str] = []
    ticker = Ticker("{:,} rooms", said.append, clock=lambda: now_s)
    for count, at_s in enumerate(
        [100.0, 100 + SILENT_S - 0.1, 100 + SILENT_S, 101 + SILENT_S, 100 + SILENT_S + EVERY_S],
        1000,
    ):
        now_s = at_s
        ticker(count)
    assert said == ["1,002 rooms", "1,004 rooms"]
