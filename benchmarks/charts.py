"""Charts over named places, as SVG, without a library: lines, and bars.

scale_plot.py draws over a continuous axis; here the places (1, 10, 50, 500 clients) stand evenly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 50, 60  # the legend is on the right
COLOURS = (
    *("#1b6ca8", "#d1495b", "#2e8b57", "#8a6d3b", "#7b4fa6", "#e08e0b", "#178f92", "#6b7280"),
    *("#b0357a", "#7f9f1b"),
)
TICKS = 5
FONT = 'font-family="sans-serif" font-size="12" fill="#444"'

Series = Mapping[str, Sequence[float | None]]  # by its name; a value, or none, for each place


def lines_chart(
    title: str,
    x_label: str,
    y_label: str,
    places: Sequence[str],
    series: Series,
    *,
    log: bool = False,
) -> str:
    """A line for each series."""
    scale = _Scale([value for values in series.values() for value in values if value], log)
    step = (WIDTH - LEFT - RIGHT) / max(1, len(places) - 1)
    parts = _frame(title, x_label, y_label, scale)
    every = math.ceil(len(places) / 12)  # as many labels as have room
    for number, place in enumerate(places):
        if number % every == 0:
            parts.append(_text(LEFT + number * step, HEIGHT - BOTTOM + 18, place, "middle"))
    for number, (name, values) in enumerate(series.items()):
        points = [(LEFT + i * step, scale.y(value)) for i, value in enumerate(values) if value]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        colour = COLOURS[number % len(COLOURS)]
        if path:
            parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts += _legend(number, name, colour)
    return "\n".join([*parts, "</svg>\n"])


def bar_chart(title: str, y_label: str, places: Sequence[str], series: Series) -> str:
    """A group of bars at each place, by powers of ten; each bar has its value written on it."""
    scale = _Scale([value for values in series.values() for value in values if value], log=True)
    group = (WIDTH - LEFT - RIGHT) / max(1, len(places))
    wide = 0.8 * group / max(1, len(series))
    parts = _frame(title, "", y_label, scale)
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts += _legend(number, name, colour)
        for place, value in enumerate(values):
            if value:
                x, y = LEFT + place * group + 0.1 * group + number * wide, scale.y(value)
                size = f'width="{wide - 2:.1f}" height="{HEIGHT - BOTTOM - y:.1f}"'
                parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{colour}"/>')
                parts.append(_text(x + wide / 2, y - 4, number_text(value), "middle"))
    for number, label in enumerate(places):
        for row, words in enumerate(label.split(", ")):
            x = LEFT + (number + 0.5) * group
            parts.append(_text(x, HEIGHT - BOTTOM + 16 + 14 * row, words, "middle"))
    return "\n".join([*parts, "</svg>\n"])


def number_text(value: float) -> str:
    """Three figures, and no powers of ten: `1,234` or `0.123`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class _Scale:
    """From values to heights: from zero to a round number, or between two powers of ten."""

    def __init__(self, values: Sequence[float], log: bool) -> None:
        most, least = max(values, default=1.0), min(values, default=1.0)
        self.log = log
        self.low = 10.0 ** math.floor(math.log10(least)) if log else 0.0
        power = 10.0 ** math.floor(math.log10(most))
        steps = (10,) if log else (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10)
        self.high = next(power * step for step in steps if most <= power * step)

    def ticks(self) -> list[float]:
        """Where the axis has marks."""
        if not self.log:
            return [self.high * tick / TICKS for tick in range(TICKS + 1)]
        powers = range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)
        return [10.0**power for power in powers]

    def y(self, value: float) -> float:
        """The height on the page."""
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = value / self.high
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part


def _frame(title: str, x_label: str, y_label: str, scale: _Scale) -> list[str]:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 22, title, "start", bold=True),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, "middle"),
        _text(LEFT, TOP - 10, y_label, "start"),
    ]
    for value in scale.ticks():
        y = scale.y(value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{value:,g}", "end"))
    return parts


def _legend(number: int, name: str, colour: str) -> list[str]:
    x, y = WIDTH - RIGHT + 16, TOP + 16 + 18 * number
    line = f'<path d="M{x} {y - 4}h18" stroke="{colour}" stroke-width="3"/>'
    return [line, _text(x + 24, y, name, "start")]


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place} {FONT}{weight}>{escape(text)}</text>"
