"""The page's charts as HTML and inline SVG.

They take their colours from the style sheet, so they follow light and dark, and they are drawn in the size at which a
phone shows them.

Shapes: P points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = 6
"""Colours for interests in the style sheet; more interests use them again."""
WIDTH, HEIGHT = 320, 170
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 26
SIDE = 360


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: its name, its length, the number as text."""

    name: str
    value: float
    text: str
    ours: bool = False
    bad: bool = False
    low: float | None = None
    """Ends of an interval around the value."""
    high: float | None = None


def bars(rows: Sequence[Bar], told: str, whole: float = 0.0) -> str:
    """Horizontal bars from 0 to the longest, or to `whole`; `told` says for a screen reader what they show."""
    most = max([1e-12, whole, *(max(bar.value, bar.high or 0.0) for bar in rows)])
    return f'<div role="img" aria-label="{escape(told)}">{"".join(_bar(bar, most) for bar in rows)}</div>'


def counted(numbers: Mapping[str, int], told: str, *, ours: bool = True) -> str:
    """Bars of whole numbers."""
    return bars([Bar(name=name, value=value, text=f"{value:,}", ours=ours) for name, value in numbers.items()], told)


def _bar(bar: Bar, most: float) -> str:
    kind = " ours" if bar.ours else " bad" if bar.bad else ""
    whisker = ""
    if bar.low is not None and bar.high is not None:
        start, end = 100 * max(bar.low, 0.0) / most, 100 * max(bar.high, 0.0) / most
        whisker = f'<span class="whisker" style="left:{start:.2f}%;width:{end - start:.2f}%"></span>'
    return (
        f'<div class="bar{kind}"><span class="name">{escape(bar.name)}</span>'
        f'<span class="track"><span class="fill" style="width:{100 * max(bar.value, 0.0) / most:.2f}%"></span>'
        f'{whisker}</span><span class="value">{escape(bar.text)}</span></div>'
    )


def line(title: str, values: Sequence[float]) -> str:
    """One metric by epoch, from 1."""
    low, high = min(values), max(values)
    # A flat curve lies in the middle.
    spread = (high - low) or abs(high) or 1.0
    bottom, top = (low - 0.08 * spread, high + 0.08 * spread) if high > low else (low - spread, high + spread)
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(epoch: int, value: float) -> tuple[float, float]:
        return LEFT + across * epoch / max(len(values) - 1, 1), TOP + down * (top - value) / (top - bottom)

    points = [at(epoch, value) for epoch, value in enumerate(values)]
    grid = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value, y in ((value, at(0, value)[1]) for value in dict.fromkeys((low, (low + high) / 2, high)))
    )
    ends = {0: "start" if len(values) > 1 else "middle", len(values) - 1: "end"}
    epochs = "".join(
        f'<text x="{points[epoch][0]:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">epoch {epoch + 1}</text>'
        for epoch, anchor in ends.items()
    )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="var(--accent)"/>' for x, y in points)
    told = f"{title} by epoch: from {values[0]:.4g} to {values[-1]:.4g}"
    return _figure(
        told,
        f'{grid}{epochs}<polyline points="{path}" fill="none" stroke="var(--accent)" stroke-width="2"/>{dots}',
        WIDTH,
        HEIGHT,
        f"<b>{escape(title)}</b>, last {values[-1]:.4g}",
    )


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Points that are drawn alike."""

    points_P2: Sequence[tuple[float, float]]
    colour: str
    radius: float
    opacity: float = 1.0
    hollow: bool = False
    star: bool = False


def scatter(clouds: Iterable[Cloud], told: str, caption: str) -> str:
    """Clouds over each other on one square; the caption is HTML."""
    held = list(clouds)
    every = [point for cloud in held for point in cloud.points_P2]
    if not every:
        return ""
    scales = []
    for axis in (0, 1):
        values = [point[axis] for point in every]
        low, spread = min(values), (max(values) - min(values)) or 1.0
        scales.append((low, (SIDE - 24) / spread))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across, up = ((value - low) * scale for value, (low, scale) in zip(point, scales, strict=True))
        return 12 + across, SIDE - 12 - up

    drawn = "".join(_cloud(cloud, [place(point) for point in cloud.points_P2]) for cloud in held)
    return _figure(told, drawn, SIDE, SIDE, caption)


def _cloud(cloud: Cloud, points: list[tuple[float, float]]) -> str:
    if cloud.star:
        shapes = "".join(
            f'<path d="M{x:.1f},{y - 9:.1f}l2.6,6.2 6.4,.5-4.9,4.3 1.6,6.5-5.7-3.6-5.7,3.6 1.6-6.5-4.9-4.3 6.4-.5z"/>'
            for x, y in points
        )
        return f'<g fill="{cloud.colour}" stroke="var(--card)" stroke-width="1.5">{shapes}</g>'
    shapes = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{cloud.radius:g}"/>' for x, y in points)
    paint = f'fill="none" stroke="{cloud.colour}" stroke-width="1.6"' if cloud.hollow else f'fill="{cloud.colour}"'
    return f'<g {paint} opacity="{cloud.opacity:g}">{shapes}</g>'


def heat(
    rows: Sequence[tuple[str, Sequence[float]]],
    columns: Sequence[str],
    told: str,
    corner: str = "behaviour, by interest",
) -> str:
    """A table whose cells are the darker the nearer a weight is to 1; a row may be shorter than `columns`."""
    head = "".join(f'<th class="n">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><td class="name">{escape(name)}</td>{"".join(_cell(weight) for weight in weights)}</tr>'
        for name, weights in rows
    )
    return (
        f'<div class="scroll"><table class="heat" aria-label="{escape(told)}">'
        f"<tr><th>{escape(corner)}</th>{head}</tr>{body}</table></div>"
    )


def _cell(weight: float) -> str:
    high = " high" if weight > 0.6 else ""
    return f'<td class="w{high}" style="--share:{100 * weight:.0f}%">{weight:.2f}</td>'


def interest_colour(number: int) -> str:
    """The colour of an interest, counted from 0, wherever it is shown."""
    return f"var(--c{number % COLOURS})"


def _figure(told: str, drawn: str, width: int, height: int, caption: str) -> str:
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(told)}">{drawn}</svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )
