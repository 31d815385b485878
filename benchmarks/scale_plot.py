"""Line charts as SVG, without a library: a few series, axes from zero, a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 40, 50, 50
TICKS = 5
COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#8a6d3b")
FONT = 'font-family="sans-serif" font-size="12" fill="#444"'


@dataclass(frozen=True)
class Series:
    """One line; `faint` ones are drawn thin, and have no place in the legend."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    faint: bool = False


def line_chart(title: str, x_label: str, y_label: str, series: Sequence[Series]) -> str:
    """The chart as the text of an SVG file.

    Raises:
        ValueError: If there is no point above zero on both axes.
    """
    points = [point for one in series for point in one.points]
    x_end = _round_up(max((x for x, _ in points), default=0.0))
    y_end = _round_up(max((y for _, y in points), default=0.0))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 22, title, 'font-weight="bold"'),
        *_axes(x_end, y_end),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, 'text-anchor="middle"'),
        _text(LEFT, TOP - 10, y_label),
    ]
    for one in series:
        parts.append(_line(one, x_end, y_end))
    named = [one for one in series if not one.faint]
    for number, one in enumerate(named):
        y = TOP + 16 + 18 * number
        colour = COLOURS[one.colour]
        parts.append(f'<path d="M{LEFT + 12} {y - 4}h18" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(_text(LEFT + 36, y, one.name))
    return "\n".join([*parts, "</svg>\n"])


def _axes(x_end: float, y_end: float) -> list[str]:
    parts = []
    for tick in range(TICKS + 1):
        x, y = _x(x_end * tick / TICKS, x_end), _y(y_end * tick / TICKS, y_end)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{y_end * tick / TICKS:,g}", 'text-anchor="end"'))
        label = f"{x_end * tick / TICKS:,g}"
        parts.append(_text(x, HEIGHT - BOTTOM + 18, label, 'text-anchor="middle"'))
    return parts


def _line(series: Series, x_end: float, y_end: float) -> str:
    path = "L".join(f"{_x(x, x_end):.1f} {_y(y, y_end):.1f}" for x, y in series.points)
    style = 'stroke-width="1" opacity="0.45"' if series.faint else 'stroke-width="2.5"'
    return f'<path d="M{path}" fill="none" stroke="{COLOURS[series.colour]}" {style}/>'


def _x(value: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / end


def _y(value: float, end: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / end


def _round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 2.5, 3, 4, 5, 7.5 and so on: an axis with even marks."""
    if value <= 0:
        raise ValueError(f"the largest value is {value}; a chart from zero needs one above zero")
    scale = 10.0 ** math.floor(math.log10(value))
    return next(
        scale * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if value <= scale * step
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {FONT} {more}>{escape(text)}</text>'
